"""The report of one round: against its reference, with the verdicts on it."""

from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.drift import service as drift
from app.federations.tables import Federation
from app.reports import evidence, pooling
from app.reports.content import Drift, Heading, VerdictLine
from app.reports.errors import NothingToReportError, RoundNotJudgedError
from app.reports.states import Kind
from app.reports.tables import Report
from app.rounds import service as rounds

NO_REFERENCE = "There is no reference to compare the round with."


def asked(session: Session, federation: Federation, round_id: UUID) -> Report:
    """The report that the round's evidence makes as of now; not stored.

    Raises:
        NotFoundError: if the federation has no such round.
    """
    round_ = rounds.get(session, federation.id, round_id)
    told = evidence.of_rounds(session, [round_])
    return Report(
        federation_id=federation.id,
        kind=Kind.ROUND,
        subject_id=round_.id,
        model=round_.model,
        version=round_.version,
        evidence_sha256=evidence.sha256_of({"rounds": told}),
        asked_at=clock.now(),
    )


def gather(session: Session, federation: Federation, report: Report) -> Drift:
    """Read all that the report shows; no client's own values are in it.

    Raises:
        RoundNotJudgedError: if the verdicts are not there yet.
        NothingToReportError: if there is no reference.
    """
    round_ = rounds.get(session, federation.id, report.subject_id)
    if round_.evaluated_at is None:
        raise RoundNotJudgedError
    reference = pooling.reference_of(session, round_)
    if reference is None:
        raise NothingToReportError(NO_REFERENCE)
    name = f"round {round_.number} of {round_.run}"
    verdicts = drift.verdicts_of(session, round_.id)
    return Drift(
        heading=Heading(
            kind=Kind.ROUND,
            title=f"{federation.name}: {round_.model} version {round_.version}, {name}",
            about=f"The round at step {round_.global_step} against its reference.",
            facts={"round": str(round_.id), "step": round_.global_step, "run": round_.run},
        ),
        sides=pooling.against_reference(session, federation, [round_], reference, name),
        verdicts=tuple(VerdictLine.of(one) for one in verdicts if one.scope != "client"),
    )
