"""The report of a closed period of a model: everything that was out of stable in it."""

from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.drift import service as drift
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.registry import service as registry
from app.reports import evidence, pooling
from app.reports.content import Drift, Heading, VerdictLine
from app.reports.errors import NothingToReportError
from app.reports.states import Kind
from app.reports.tables import Report
from app.rounds.disclosure import FEDERATION
from app.rounds.tables import Round

NO_REFERENCE = "There is no reference to compare the period's rounds with."
MOST_INCIDENTS = 1000
Steps = tuple[int, int]  # both included


def asked(
    session: Session, federation: Federation, model_id: UUID, period: str, steps: Steps
) -> Report | None:
    """The report of a model's champion over a period; not stored. None without judged rounds."""
    model = registry.model_with_id(session, federation.id, model_id)
    if model.champion is None:
        return None
    found = pooling.stretch(session, federation, model.name, model.champion, steps)
    if not found:
        return None
    told = {"period": period, "rounds": evidence.of_rounds(session, found)}
    return Report(
        federation_id=federation.id,
        kind=Kind.PERIOD,
        subject_id=model.id,
        model=model.name,
        version=model.champion,
        period=period,
        first_step=steps[0],
        last_step=steps[1],
        evidence_sha256=evidence.sha256_of(told),
        asked_at=clock.now(),
    )


def gather(session: Session, federation: Federation, report: Report) -> Drift:
    """Read all that the report shows.

    Raises:
        NothingToReportError: if there is no reference.
    """
    steps = steps_of(report)
    found = pooling.stretch(session, federation, report.model, report.version, steps)
    reference = pooling.reference_of(session, found[-1]) if found else None
    if reference is None:
        raise NothingToReportError(NO_REFERENCE)
    moved = {
        series: rows
        for series, rows in pooling.rows_by_series(session, found).items()
        if max(row.outcome for row in rows) > drift.OUTCOMES.index("stable")
    }
    cohorts = sorted({(scope, key) for scope, key, _ in moved} - {FEDERATION})
    verdicts = drift.verdicts_of(session, found[-1].id)
    return Drift(
        heading=_heading(session, federation, report, found),
        sides=pooling.against_reference(
            session,
            federation,
            found,
            reference,
            f"{len(found)} rounds of {report.period}",
            [FEDERATION, *cohorts[: pooling.MOST_COHORTS]],
        ),
        trails=pooling.trails(moved.values()),
        verdicts=tuple(VerdictLine.of(one) for one in verdicts if one.scope != "client"),
    )


def steps_of(report: Report) -> Steps:
    """The steps that a period's report is on."""
    assert report.first_step is not None  # of a period it is never None
    assert report.last_step is not None
    return report.first_step, report.last_step


def _heading(
    session: Session, federation: Federation, report: Report, found: list[Round]
) -> Heading:
    first, last = steps_of(report)
    opened = [
        one.title
        for one in incidents.list_of(session, federation.id, limit=MOST_INCIDENTS)
        if one.model == report.model and first <= one.opened_step <= last and one.scope != "client"
    ]
    told = "; ".join(opened) or "none"
    return Heading(
        kind=Kind.PERIOD,
        title=f"{federation.name}: {report.model} version {report.version}, {report.period}",
        about=f"{len(found)} judged rounds, steps {found[0].global_step} to"
        f" {found[-1].global_step}. Incidents opened in them: {told}. The verdicts in the table are"
        f" those on the newest round.",
        facts={
            "period": report.period,
            "steps": [round_.global_step for round_ in found],
            "incidents": opened,
        },
    )
