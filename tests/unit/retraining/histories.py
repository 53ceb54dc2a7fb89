"""Rounds as they lie in the database: what a version erred, and what its training cost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session

from app.drift.tables import Reference
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.reports import ClientReport
from app.rounds.tables import Round
from tests.rounds import blocks, pseudonym
from tests.unit.retraining.requests import MODEL

AT = datetime(2013, 6, 10, tzinfo=UTC)
CLIENTS, EXAMPLES = 6, 500
WOBBLE = 0.002  # how much the error differs from one round to the next
TRAIN_MS, WATT_HOURS, MEGABYTE = 30_000.0, 5.0, 10**6


def serve(
    session: Session, federation: Federation, steps: Sequence[int], error: float, version: str = "1"
) -> list[Round]:
    """A week's round for each step, in which a version errs about so often."""
    return [
        _round(
            session,
            federation,
            step,
            [_told(error + WOBBLE * (step % 3 - 1)) for _ in range(CLIENTS)],
            version=version,
        )
        for step in steps
    ]


def reference(
    session: Session, federation: Federation, measured: Sequence[Round], version: str = "1"
) -> None:
    """The baseline of a version, of these rounds."""
    session.add(
        Reference(
            federation_id=federation.id,
            model=MODEL,
            version=version,
            number=1,
            round_ids=[str(round_.id) for round_ in measured],
            last_step=measured[-1].global_step,
            sha256="0" * 64,
            frozen_at=AT,
            frozen_by="test",
        )
    )
    session.flush()


def drifted(session: Session, federation: Federation, excess: float = 0.1) -> None:
    """Version 1 erred 0.2 in its reference, and errs more by step 23."""
    reference(session, federation, serve(session, federation, range(1, 9), 0.2))
    serve(session, federation, range(19, 24), 0.2 + excess)


def fitted(session: Session, federation: Federation, clients: int = CLIENTS) -> None:
    """A round of training: 30 s, 5 Wh and a megabyte for each client."""
    told = {"resources": {"train_ms": TRAIN_MS, "energy_wh": WATT_HOURS}}
    volume = {"bytes_up": clients * MEGABYTE / 2, "bytes_down": clients * MEGABYTE / 2}
    _round(
        session,
        federation,
        3,
        [told] * clients,
        phase="fit",
        envelope={"participation": volume},
    )


def beside(
    session: Session,
    federation: Federation,
    steps: Sequence[int],
    champion: str,
    candidate: str,
    gain: float,
    *,
    harm: float = 0.0,
) -> None:
    """Both versions on the same examples; the candidate's log loss is lower by about the gain.

    The four clients of EWR lose `harm` instead: of two, nothing is ever certain.
    """
    for step in steps:
        told = []
        for client in range(CLIENTS):
            here = -harm if harm and client < CLIENTS - 2 else gain * (1 + client / 50)
            told.append(
                _told(0.3 + WOBBLE * (step % 3 - 1), 0.6)
                | {"canary": _told(0.3 - here + WOBBLE * (step % 3 - 1), 0.6 - here)}
            )
        _round(
            session,
            federation,
            step,
            told,
            version=champion,
            canary_version=candidate,
            phase="canary",
        )


def _told(error: float, loss: float | None = None) -> dict[str, Any]:
    mean = 0.3 + error if loss is None else loss
    return {"metrics": {"loss_sum": mean * EXAMPLES, "correct_count": (1 - error) * EXAMPLES}}


def _round(
    session: Session,
    federation: Federation,
    step: int,
    told: Sequence[dict[str, Any]],
    **more: Any,
) -> Round:
    start = AT + timedelta(weeks=step)
    fields: dict[str, Any] = {
        "federation_id": federation.id,
        "run": "serve",
        "number": step,
        "phase": "evaluate",
        "attempt": 1,
        "global_step": step,
        "model": MODEL,
        "version": "1",
        "started_at": start,
        "ended_at": start + timedelta(weeks=1),
        "envelope": {},
        "body_sha256": "0" * 64,
        "accepted": len(told),
        "quarantined": 0,
        "received_at": start,
    }
    round_ = Round(**(fields | more))
    session.add(round_)
    session.flush()
    reports = [
        ClientReport(
            round_id=round_.id,
            client=pseudonym(number),
            status="ok",
            num_examples=EXAMPLES,
            cohorts={"hub": "JFK" if number >= CLIENTS - 2 else "EWR"},
            record=record,
        )
        for number, record in enumerate(told)
    ]
    session.add_all(blocks(reports))
    session.flush()
    rounds.aggregate(session, round_)
    session.flush()
    return round_
