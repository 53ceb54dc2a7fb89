"""The report of a candidate: champion and candidate on the canary's rounds.

Of a version it is by the evidence of now; of a promotion that was submitted, by what was frozen.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import service as registry
from app.reports import evidence, pooling
from app.reports.content import EVERYBODY, Canary, Heading, Sides
from app.reports.errors import NothingToReportError
from app.reports.states import Kind
from app.reports.summaries import summarise
from app.reports.tables import Report
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.disclosure import FEDERATION, Scope
from app.rounds.tables import Round

NO_CANARY = "No canary round measured the two versions on the same examples yet."
NO_CHAMPION = "It is the champion, and no promotion made it so: there is nothing to compare it with"


@dataclass(frozen=True)
class Pair:
    """A champion and a candidate, for all clients or those of a cohort."""

    model: str
    champion: str
    candidate: str
    cohort: str = ""
    frozen: dict[str, Any] | None = None  # the comparison, once it was submitted


def asked_of_version(session: Session, federation: Federation, version_id: UUID) -> Report:
    """The report of a version as of now; not stored.

    Raises:
        NotFoundError: if the federation has no such version.
        NothingToReportError: if it is the champion without having been a candidate.
    """
    pair = _pair_of_version(session, federation, version_id)
    return _asked(session, federation, Kind.CANDIDATE, version_id, pair)


def asked_of_promotion(session: Session, federation: Federation, promotion_id: UUID) -> Report:
    """The report of a promotion; not stored.

    Raises:
        NotFoundError: if the federation has no such promotion.
    """
    pair = _pair_of_promotion(session, federation, promotion_id)
    return _asked(session, federation, Kind.PROMOTION, promotion_id, pair)


def gather(session: Session, federation: Federation, report: Report) -> Canary:
    """Read all that the report shows.

    Raises:
        NothingToReportError: if no round measured the two.
    """
    find = _pair_of_promotion if report.kind == Kind.PROMOTION else _pair_of_version
    pair = find(session, federation, report.subject_id)
    comparison = pair.frozen or _compared(session, federation, pair)
    ids = [UUID(text) for text in comparison["round_ids"]]
    measured = rounds.with_ids(session, federation.id, ids)
    if not measured:
        raise NothingToReportError(NO_CANARY)
    spec = bin_specs.bins_of(session, federation, measured[-1])
    return Canary(
        heading=_heading(federation, pair, comparison, measured),
        comparison=comparison,
        labels=() if spec is None else tuple(spec.labels),
        sides=_sides(session, federation, measured, pair, comparison),
    )


def _asked(
    session: Session, federation: Federation, kind: Kind, subject_id: UUID, pair: Pair
) -> Report:
    measured = rounds.canary_rounds(
        session, federation.id, pair.model, pair.champion, pair.candidate
    )
    policy = federations.policy_of(federation).canary.model_dump(mode="json")
    told = [[str(one.id), one.body_sha256, str(one.withdrawn)] for one in measured]
    now = {"rounds": told, "policy": policy, "least": federation.min_cohort_size}
    names = [pair.model, pair.champion, pair.candidate, pair.cohort]
    return Report(
        federation_id=federation.id,
        kind=kind,
        subject_id=subject_id,
        model=pair.model,
        version=pair.candidate,
        evidence_sha256=evidence.sha256_of({"pair": names, "of": pair.frozen or now}),
        asked_at=clock.now(),
    )


def _pair_of_version(session: Session, federation: Federation, version_id: UUID) -> Pair:
    version, model = registry.version_with_id(session, federation.id, version_id)
    champion = model.champion
    if champion == version.version:
        champion = registry.champion_before(session, model)
    if champion is None:
        raise NothingToReportError(f"{NO_CHAMPION}.")
    return Pair(model.name, champion, version.version)


def _pair_of_promotion(session: Session, federation: Federation, promotion_id: UUID) -> Pair:
    promotion = registry.get_promotion(session, federation.id, promotion_id)
    return Pair(
        registry.model_of(session, promotion).name,
        promotion.champion,
        promotion.candidate,
        promotion.cohort,
        promotion.evidence or None,
    )


def _compared(session: Session, federation: Federation, pair: Pair) -> dict[str, Any]:
    names = pair.model, pair.champion, pair.candidate, pair.cohort
    return registry.comparison_of(session, federation, *names).model_dump(mode="json")


def _heading(
    federation: Federation, pair: Pair, comparison: dict[str, Any], measured: list[Round]
) -> Heading:
    whom = f" for {pair.cohort}" if pair.cohort else ""
    frozen = "frozen when it was submitted" if pair.frozen else "as of now"
    return Heading(
        kind=Kind.CANDIDATE,
        title=f"{federation.name}: {pair.model} version {pair.candidate} beside champion"
        f" {pair.champion}{whom}",
        about=f"{comparison['recommendation']['sentence']} The evidence is {frozen}:"
        f" {len(measured)} canary rounds, {comparison['clients']} clients,"
        f" {comparison['examples']:,} examples that both versions were measured on.",
        facts={
            "champion": pair.champion,
            "candidate": pair.candidate,
            "cohort": pair.cohort,
            "rounds": [str(round_.id) for round_ in measured],
        },
    )


def _sides(
    session: Session,
    federation: Federation,
    measured: list[Round],
    pair: Pair,
    comparison: dict[str, Any],
) -> tuple[Sides, ...]:
    """Both versions' scores and predictions, of all clients and of the cohorts that are shown."""
    newest = measured[-1].bin_spec
    same = [round_.id for round_ in measured if round_.bin_spec == newest]
    spec = bin_specs.bins_of(session, federation, measured[-1])
    cohorts: list[Scope] = [("cohort", part["cohort"]) for part in comparison["cohorts"]]
    whole: Scope = ("cohort", pair.cohort) if pair.cohort else FEDERATION
    names = {"model": f"champion {pair.champion}", "canary": f"candidate {pair.candidate}"}
    found = []
    for scope in [whole, *cohorts[: pooling.MOST_COHORTS]]:
        told = rounds.aggregates_in(session, same, scope)
        champion, candidate = (
            summarise(name, [one for one in told if one.measured == measured_as], spec)
            for measured_as, name in names.items()
        )
        if candidate.rounds or scope == whole:
            found.append(Sides(scope[1] or EVERYBODY, champion, candidate))
    return tuple(found)
