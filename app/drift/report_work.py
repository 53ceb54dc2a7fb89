"""What goes into a report: a round, what it was judged against, and the verdicts on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from app.drift import repository, service
from app.drift.report import VerdictLine
from app.drift.report_data import Said, Summary, summarise
from app.drift.tables import Reference, Report, Verdict
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import bin_specs, disclosure
from app.rounds import service as rounds
from app.rounds.reports import ClientReport
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round


@dataclass(frozen=True)
class ReportWork:
    """All that a page shows, and the name of its file."""

    file_name: str
    title: str
    current: Summary
    reference: Summary | None
    verdicts: tuple[VerdictLine, ...]


def gather(session: Session, report: Report, round_: Round) -> ReportWork:
    """Read all that the report of a judged round shows; no client's own values are in it."""
    federation = federations.get(session, report.federation_id)
    verdicts = service.verdicts_of(session, round_.id)
    reference = _reference(session, round_, verdicts)
    name = f"round {round_.number} of {round_.run}"
    return ReportWork(
        file_name=f"{report.id}.html",
        title=f"{federation.name}: {round_.model} version {round_.version}, {name}",
        current=_summary(session, federation, name, [round_], round_),
        reference=None
        if reference is None
        else _reference_summary(session, federation, reference, round_),
        verdicts=tuple(_line(verdict) for verdict in verdicts if verdict.scope != "client"),
    )


def _reference(session: Session, round_: Round, verdicts: Sequence[Verdict]) -> Reference | None:
    """What the round was judged against; for one without verdicts, what is in force before it."""
    if verdicts:
        return service.reference_of(session, round_.federation_id, verdicts[0].reference_id)
    newest = repository.reference_in_force(
        session, round_.federation_id, round_.model, round_.version
    )
    return newest if newest is not None and newest.last_step < round_.global_step else None


def _reference_summary(
    session: Session, federation: Federation, reference: Reference, round_: Round
) -> Summary:
    """The reference's rounds that were counted on the round's bins, pooled."""
    frozen = service.reference_rounds(session, reference)
    same = [other for other in frozen if other.bin_spec == round_.bin_spec]
    name = f"reference {reference.number} ({len(same)} of its {len(frozen)} rounds, same bins)"
    return _summary(session, federation, name, same, round_)


def _summary(
    session: Session, federation: Federation, name: str, pooled: list[Round], round_: Round
) -> Summary:
    reports: dict[UUID, list[ClientReport]] = {other.id: [] for other in pooled}
    for report in rounds.reports_of(session, list(reports)):
        reports[report.round_id].append(report)
    said = [Said(other, reports[other.id]) for other in pooled]
    bins = None
    if round_.bin_spec is not None:
        document = bin_specs.get(session, federation, round_.bin_spec).document
        bins = BinSpecIn.model_validate(document)
    each = disclosure.clients_of_a_record(round_.envelope)
    least = disclosure.records_needed(federation.min_cohort_size, each)
    return summarise(name, said, bins, round_.version, least)


def _line(verdict: Verdict) -> VerdictLine:
    return VerdictLine(
        subject=verdict.subject,
        scope=verdict.scope_key or verdict.scope,
        detector=verdict.detector,
        outcome=verdict.outcome,
        effect=verdict.effect,
        threshold=verdict.threshold,
        unit=verdict.effect_unit,
        statistic=verdict.statistic,
        p_value=verdict.p_value,
        q_value=verdict.q_value,
        minimum_detectable_effect=verdict.minimum_detectable_effect,
    )
