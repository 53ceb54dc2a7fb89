"""A small federation in the database: what Grafana may see of it, and what it must not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from app.drift.subject_rows import rows_of
from app.drift.tables import Reference, Verdict
from app.federations.tables import Federation
from app.incidents.tables import Incident
from app.registry.tables import Model, Promotion
from app.retraining.tables import RetrainRequest
from app.rounds import service as rounds
from app.rounds.reports import ClientReport
from app.rounds.tables import Refusal, Round
from tests.rounds import blocks

FEDERATION, MODEL = "flights", "late-arrival"
START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=7)
HASH = "0" * 64
# Six clients; the cohorts JFK and LGA have one and two, below the minimum cohort size of 3, but
# three together, so that EWR gives neither away. The rates are such that rounding changes nothing.
HUBS = {"c_1": "EWR", "c_2": "EWR", "c_3": "EWR", "c_4": "JFK", "c_5": "LGA", "c_6": "LGA"}
LOSS_SUMS = {"c_1": 40.0, "c_2": 50.0, "c_3": 60.0, "c_4": 50.0, "c_5": 60.0, "c_6": 40.0}
EXAMPLES, CORRECT = 100, 80
LOG_LOSS = sum(LOSS_SUMS.values()) / (EXAMPLES * len(LOSS_SUMS))
CANARY_LOG_LOSS = LOG_LOSS / 2


def seed(session: Session) -> None:
    """Five rounds, verdicts in every scope, incidents, a retraining and a promotion."""
    federation = Federation(name=FEDERATION, title="Flights", min_cohort_size=3, created_at=START)
    _add(session, federation)
    model = Model(federation_id=federation.id, name=MODEL, champion="2", created_at=START)
    judged = _round(federation.id, 1, "evaluate")
    canary = _round(federation.id, 2, "canary", canary_version="2")
    superseded = _round(federation.id, 3, "evaluate", state="superseded")
    small = _round(federation.id, 4, "evaluate")
    silent = _round(federation.id, 5, "evaluate")
    _add(session, model, judged, canary, superseded, small, silent)
    for round_ in (judged, canary, superseded):
        _add(session, *blocks(_report(round_, client) for client in HUBS))
    _add(session, *blocks(_report(small, client) for client in ("c_1", "c_2")))
    _add(session, *blocks(_report(silent, client, loss=client < "c_3") for client in HUBS))
    for round_ in (judged, canary, superseded, small, silent):
        rounds.aggregate(session, round_)
    _add_drift(session, judged)
    _add_actions(session, model, judged)


def _add_drift(session: Session, round_: Round) -> None:
    reference = Reference(
        federation_id=round_.federation_id, model=MODEL, version="1", number=1, round_ids=[],
        last_step=0, sha256=HASH, frozen_at=START, frozen_by="test",
    )  # fmt: skip
    _add(session, reference)
    scopes = [("federation", ""), ("cohort", "hub=EWR"), ("cohort", "hub=JFK"), ("client", "c_1")]
    verdicts = [_verdict(round_, reference.id, scope, key) for scope, key in scopes]
    for verdict in verdicts:
        _add(session, verdict, _incident(round_, verdict.scope, verdict.scope_key))
    _add(session, *rows_of(round_, verdicts, rounds.shown_scopes(session, round_.id)))
    for code in ("negative_count", "unknown_cohort"):
        _add(session, _refusal(round_.federation_id, round_.id, code))
    _add(session, _refusal(round_.federation_id, None, "body_too_large"))


def _add_actions(session: Session, model: Model, round_: Round) -> None:
    request = RetrainRequest(
        federation_id=model.federation_id, model=MODEL, base_version="1", state="completed",
        reason="c_1 moved", requested_by="policy", requested_step=1, result_version="2",
        created_at=round_.received_at, expires_at=END,
    )  # fmt: skip
    promotion = Promotion(
        federation_id=model.federation_id, model_id=model.id, candidate="2", champion="1",
        state="applied", submitted_by="ada", submitted_by_id="name:ada",
        decided_by="grace", decided_by_id="name:grace", reason="c_1 is better",
        applied_at=round_.received_at + timedelta(days=1), created_at=round_.received_at,
    )  # fmt: skip
    _add(session, request, promotion)


def _round(
    federation_id: UUID,
    step: int,
    phase: str,
    state: str = "evaluated",
    canary_version: str | None = None,
) -> Round:
    at = START + timedelta(days=step)
    return Round(
        federation_id=federation_id, run="run", number=step, phase=phase, attempt=1,
        global_step=step, model=MODEL, version="1", canary_version=canary_version, started_at=at,
        ended_at=at, envelope={}, body_sha256=HASH, accepted=4, quarantined=2,
        state=state, received_at=at,
    )  # fmt: skip


def _report(round_: Round, client: str, *, loss: bool = True) -> ClientReport:
    metrics = {"loss_sum": LOSS_SUMS[client] if loss else None, "correct_count": CORRECT}
    record: dict[str, object] = {"metrics": metrics}
    if round_.phase == "canary":
        halved = {"loss_sum": LOSS_SUMS[client] / 2, "correct_count": CORRECT}
        record["canary"] = {"metrics": halved}
    return ClientReport(
        round_id=round_.id, client=client, status="ok", num_examples=EXAMPLES,
        cohorts={"hub": HUBS[client]}, record=record,
    )  # fmt: skip


def _verdict(round_: Round, reference_id: UUID, scope: str, key: str) -> Verdict:
    return Verdict(
        federation_id=round_.federation_id, round_id=round_.id, reference_id=reference_id,
        model=MODEL, version="1", global_step=round_.global_step, subject="log_loss",
        family="concept", scope=scope, scope_key=key, detector="mean_shift", outcome="drift",
        statistic=4.0, effect=-0.06, effect_unit="nats", p_value=0.001, q_value=0.002,
        error_budget=0.05, threshold=0.03, policy_version=1, at=round_.received_at,
    )  # fmt: skip


def _incident(round_: Round, scope: str, key: str) -> Incident:
    return Incident(
        federation_id=round_.federation_id, model=MODEL, version="1",
        cause=f"{MODEL}/concept/{scope}/{key}", family="concept", scope=scope, scope_key=key,
        subject="log_loss", title=f"Log loss moved ({scope} {key})", severity="critical",
        opened_round=round_.id, opened_step=1, onset_step=1, last_step=1,
        opened_at=round_.received_at,
    )  # fmt: skip


def _refusal(federation_id: UUID, round_id: UUID | None, code: str) -> Refusal:
    return Refusal(
        federation_id=federation_id, round_id=round_id, run="run", number=1, phase="evaluate",
        field="clients.3.label_counts", code=code, message="refused", record_sha256=HASH,
        at=START + timedelta(days=1),
    )  # fmt: skip


def _add(session: Session, *rows: object) -> None:
    session.add_all(rows)
    session.flush()  # rows without relationships are not sorted by their foreign keys
