"""The canary comparison: is the candidate better, for whom is it not, and how sure is that.

Differences are candidate minus champion, in nats per example, so that below 0 the candidate is
better. The client is the unit: examples of one client are not independent.
"""

from collections.abc import Sequence

from sqlmodel import Session

from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import evidence
from app.registry.cohort_champions import champion_of
from app.registry.errors import NotACandidateError
from app.registry.evidence_schemas import Comparison, LineageLink
from app.registry.guardrails import guardrails
from app.registry.pairing import Paired, cohorts_of, paired
from app.registry.tables import ModelVersion, Promotion
from app.registry.versions import model_named, version_named
from app.registry.wording import recommendation
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.disclosure import clients_of_a_record, records_needed
from app.rounds.tables import Round


def comparison(
    session: Session, federation: Federation, model_name: str, candidate: str, cohort: str = ""
) -> Comparison:
    """The candidate beside the champion of now, over all canary rounds of the two.

    Of a cohort, it is beside the cohort's champion and over the cohort's clients alone.

    Raises:
        NotFoundError: if there is no such model or version.
        NotACandidateError: if the version is the champion.
    """
    model = model_named(session, federation.id, model_name)
    champion = champion_of(session, model, cohort)
    if candidate == champion:
        raise NotACandidateError(candidate)
    return comparison_of(session, federation, model_name, champion, candidate, cohort)


def comparison_of(
    session: Session,
    federation: Federation,
    model_name: str,
    champion: str,
    candidate: str,
    cohort: str = "",
) -> Comparison:
    """Two versions side by side, over all canary rounds in which one ran beside the other."""
    version = version_named(session, federation.id, model_name, candidate)
    found, least = paired_rounds(session, federation, model_name, champion, candidate)
    shown = cohorts_of(found, least)
    if cohort:
        found = found.within(cohort) if cohort in shown else found.hidden()
        shown = []
    own = _own_rounds(session, federation, model_name, champion, found.rounds)
    return _compared(session, federation, found, shown, own, version, champion, least).model_copy(
        update={"model": model_name, "cohort": cohort}
    )


def paired_rounds(
    session: Session, federation: Federation, model_name: str, champion: str, candidate: str
) -> tuple[Paired, int]:
    """All that was told of two versions on the same examples, and how many clients may be shown."""
    measured = rounds.canary_rounds(session, federation.id, model_name, champion, candidate)
    policy = federations.policy_of(federation).canary
    least = least_records(federation, measured)
    told = (rounds.records_of_round(session, round_.id) for round_ in measured)
    return paired(measured, told, least, policy.min_rounds), least


def paired_since(
    session: Session, federation: Federation, model_name: str, promotion: Promotion, most: int
) -> Paired:
    """What was told of the champions after and before a promotion, in the first rounds since it."""
    after, before = promotion.candidate, promotion.champion
    measured = rounds.canary_rounds(session, federation.id, model_name, after, before)
    since = promotion.applied_at
    told = [one for one in measured if since is not None and one.received_at >= since][:most]
    records = (rounds.records_of_round(session, round_.id) for round_ in told)
    first = federations.policy_of(federation).canary.min_rounds
    return paired(told, records, least_records(federation, told), first)


def _compared(
    session: Session,
    federation: Federation,
    found: Paired,
    shown: Sequence[str],
    own: Sequence[Round],
    version: ModelVersion,
    champion: str,
    least: int,
) -> Comparison:
    policy, pairs = federations.policy_of(federation).canary, found.pairs
    result = evidence.judged(found, policy)
    seen, outlook = evidence.difference(result), evidence.outlook(result)
    losing = evidence.losing(found, shown, policy)
    edges, labels = _counted_on(session, federation, found.rounds)
    rails = guardrails(found, result, losing, edges, own, policy)
    champion_measured, candidate_measured = evidence.measured(pairs) if len(pairs) else (None, None)
    return Comparison(
        model="",
        candidate=version.version,
        champion=champion,
        rounds=len(found.rounds),
        round_ids=[round_.id for round_ in found.rounds],
        clients=found.told,
        examples=pairs.examples,
        champion_measured=champion_measured,
        candidate_measured=candidate_measured,
        difference=seen,
        agreement=pairs.agreement.sum(axis=0).tolist(),
        confusion=evidence.confusion(pairs, labels),
        cohorts=evidence.cohorts(found, shown, policy),
        history=evidence.history(result, found),
        guardrails=rails,
        outlook=outlook,
        lineage=LineageLink.model_validate(version, from_attributes=True),
        recommendation=recommendation(found, result, seen, rails, outlook, policy, least),
    )


def least_records(federation: Federation, measured: Sequence[Round]) -> int:
    """How many records it takes for the federation's minimum cohort size."""
    each = min((clients_of_a_record(round_.envelope) for round_ in measured), default=1)
    return records_needed(federation.min_cohort_size, each)


def _own_rounds(
    session: Session,
    federation: Federation,
    model_name: str,
    champion: str,
    canaries: Sequence[Round],
) -> list[Round]:
    """The champion's rounds by itself, as many as the canary has."""
    found = rounds.measuring(session, federation.id, model_name, champion)
    own = [round_ for round_ in found if round_.phase != "canary"]
    return own[-len(canaries) :] if canaries else []


def _counted_on(
    session: Session, federation: Federation, measured: Sequence[Round]
) -> tuple[list[float] | None, list[str]]:
    """The edges of the score histograms and the labels, where all rounds share a bin spec."""
    named = {round_.bin_spec for round_ in measured}
    spec = named.pop() if len(named) == 1 else None
    if spec is None:
        return None, []
    document = bin_specs.get(session, federation, spec).document
    return document["score"]["edges"], document.get("labels", [])
