"""The report of an incident: its subjects over the rounds since its onset, against the reference.

An incident about a single client is shown to who may read clients, and even there the report holds
groups alone: how the same subject stands in the whole federation.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.drift import service as drift
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.incidents.tables import Incident
from app.reports import evidence, pooling
from app.reports.content import Drift, Heading, VerdictLine
from app.reports.errors import NothingToReportError
from app.reports.states import Kind
from app.reports.tables import Report
from app.rounds.disclosure import FEDERATION, Scope
from app.rounds.tables import Round

CLIENT = "client"
NO_ROUNDS = "None of its rounds is left to compare with a reference."
ABOUT_A_CLIENT = " It is about a single client: this report shows the groups around it alone."
Series = tuple[str, str, str]  # scope, key, subject


def asked(session: Session, federation: Federation, incident_id: UUID) -> Report:
    """The report that the incident's evidence makes as of now; not stored.

    Raises:
        NotFoundError: if the federation has no such incident.
    """
    incident = incidents.get(session, federation.id, incident_id)
    told = {
        "incident": str(incident.id),
        "state": incident.state,
        "severity": incident.severity,
        "onset": incident.onset_step,
        "explained": incident.evidence.get("explanation"),
        "series": sorted(_series(session, incident)),
        "rounds": evidence.of_rounds(session, _rounds(session, federation, incident)),
    }
    return Report(
        federation_id=federation.id,
        kind=Kind.INCIDENT,
        subject_id=incident.id,
        model=incident.model,
        version=incident.version,
        of_client=incident.scope == CLIENT,
        evidence_sha256=evidence.sha256_of(told),
        asked_at=clock.now(),
    )


def gather(session: Session, federation: Federation, report: Report) -> Drift:
    """Read all that the report shows.

    Raises:
        NothingToReportError: if there is no judged round, or no reference.
    """
    incident = incidents.get(session, federation.id, report.subject_id)
    since = _rounds(session, federation, incident)
    reference = pooling.reference_of(session, since[-1]) if since else None
    if reference is None:
        raise NothingToReportError(NO_ROUNDS)
    behind = incidents.verdicts_behind(session, incident)
    series = _series(session, incident) | {
        (one.scope, one.scope_key, one.subject) for one in behind if one.scope != CLIENT
    }
    rows = pooling.rows_by_series(session, since)
    drawn = {name for _, _, subject in series for name in (subject, subject.partition(":")[0])}
    return Drift(
        heading=_heading(federation, incident, since),
        sides=pooling.against_reference(
            session,
            federation,
            since,
            reference,
            f"{len(since)} rounds since step {incident.onset_step}",
            _scopes(series),
            pooling.ALWAYS | drawn,
        ),
        trails=pooling.trails(rows[one] for one in rows if one in series),
        verdicts=tuple(VerdictLine.of(one) for one in behind[::-1] if one.scope != CLIENT),
    )


def _heading(federation: Federation, incident: Incident, since: Sequence[Round]) -> Heading:
    single = incident.scope == CLIENT
    where = "one client" if single else incident.scope_key or "the whole federation"
    explanation = {} if single else incident.evidence.get("explanation") or {}
    about = (
        f"{incident.severity.capitalize()}, {incident.state}. {explanation.get('sentence', '')}"
        f" Since step {incident.onset_step}; {len(since)} judged rounds up to step"
        f" {since[-1].global_step}."
    )
    return Heading(
        kind=Kind.INCIDENT,
        title=f"{federation.name}: {incident.family} drift of {incident.model} version"
        f" {incident.version}, {where}",
        about=about + (ABOUT_A_CLIENT if single else ""),
        facts={
            "incident": str(incident.id),
            "severity": incident.severity,
            "state": incident.state,
            "onset_step": incident.onset_step,
            "steps": [round_.global_step for round_ in since],
        },
    )


def _rounds(session: Session, federation: Federation, incident: Incident) -> list[Round]:
    """The judged rounds since the onset, until it was resolved."""
    last = incident.resolved_step
    if last is None:
        newest = drift.newest_judged_step(session, federation.id, incident.model)
        last = max(incident.last_step, newest or 0)
    steps = (incident.onset_step, last)
    return pooling.stretch(session, federation, incident.model, incident.version, steps)


def _series(session: Session, incident: Incident) -> set[Series]:
    """The groups' series that belong to it; of a client's incident, the federation's own."""
    found = {
        (one.scope, one.scope_key, one.subject) for one in incidents.series_of(session, incident)
    }
    groups = {one for one in found if one[0] != CLIENT}
    return groups or {(*FEDERATION, subject) for _, _, subject in found}


def _scopes(series: set[Series]) -> list[Scope]:
    cohorts = sorted({(scope, key) for scope, key, _ in series} - {FEDERATION})
    return [FEDERATION, *cohorts[: pooling.MOST_COHORTS]]
