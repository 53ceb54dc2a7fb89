"""The other cases of a round: judged against something else than its version's reference.

A subject with a season is judged against the rounds around the one a season ago; what a model is
served against what it was trained on (skew); and what a retrained version loses against what its
parent knew (forgetting).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlmodel import Session

from app.drift import cases, measuring, repository
from app.drift.findings import Case
from app.drift.joining import NOBODY
from app.drift.measurements import FEATURE, FORGETTING, SKEW, RoundMeasure
from app.drift.references import LEAST_ROUNDS
from app.federations import service as federations
from app.federations.policy import ReferencePolicy
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.schemas import Phase
from app.rounds.tables import Round


def others(session: Session, federation: Federation, round_: Round, case: Case) -> Iterator[Case]:
    """The cases beside a round's own, as far as there is what they are judged against."""
    found = (
        _skew(session, federation, round_, case),
        _forgetting(session, federation, round_, case),
    )
    yield from seasonal(session, federation, round_, case)
    yield from (one for one in found if one is not None)


def standing(session: Session, federation: Federation, round_: Round, case: Case) -> Case:
    """A round's own case, against a reference that moves along if the policy has one."""
    policy = federations.policy_of(federation).reference
    baseline = _moving(session, federation, round_, policy, case)
    return case if baseline is None else replace(case, reference=baseline, joined=NOBODY)


def seasonal(session: Session, federation: Federation, round_: Round, case: Case) -> Iterator[Case]:
    """The cases of subjects with a season; against the usual reference until it came round."""
    kept = federations.policy_of(federation).reference
    seasons = {entry.season_rounds for entry in case.policy.subjects.values()}
    for season in sorted(season for season in seasons if season is not None):
        policy = ReferencePolicy(kind="seasonal", season_rounds=season, rounds=kept.rounds)
        baseline = _moving(session, federation, round_, policy, case)
        if baseline is None:
            yield replace(case, season_rounds=season, season_to_come=True)
        else:
            yield replace(case, reference=baseline, joined=NOBODY, season_rounds=season)


def _moving(
    session: Session, federation: Federation, round_: Round, policy: ReferencePolicy, case: Case
) -> list[RoundMeasure] | None:
    found = cases.moving(session, federation, round_, policy)
    if found is None:
        return None
    return measuring.measure(session, federation, found, round_.version, mine=case.mine)


def _skew(session: Session, federation: Federation, round_: Round, case: Case) -> Case | None:
    if round_.phase != Phase.SERVE:
        return None
    most = federations.policy_of(federation).reference.most_rounds
    fits = rounds.newest_fits(session, round_, most)
    trained = measuring.measure(session, federation, fits, round_.version)
    return _renamed(case, _as_skew(trained), _as_skew(case.latest))


def _forgetting(session: Session, federation: Federation, round_: Round, case: Case) -> Case | None:
    parent = (round_.envelope.get("model") or {}).get("parent_version")
    if parent is None:
        return None
    known = repository.newest_reference(session, federation.id, round_.model, parent)
    if known is None:
        return None
    frozen = cases.reference_rounds(session, known)
    before = measuring.measure(session, federation, frozen, parent, until=known.frozen_at)
    return _renamed(case, _as_forgetting(before), _as_forgetting(case.latest))


def _renamed(
    case: Case, reference: Sequence[RoundMeasure], latest: Sequence[RoundMeasure]
) -> Case | None:
    told = [one for one in reference if one.rates or one.histograms]
    if len(told) < LEAST_ROUNDS:
        return None
    return replace(case, reference=told, latest=latest, joined=NOBODY)


def _as_skew(measures: Sequence[RoundMeasure]) -> list[RoundMeasure]:
    """The features alone, under the name of the gap between training and serving."""
    return [
        replace(
            one,
            rates={},
            whole={},
            histograms={
                f"{SKEW}:{subject.removeprefix(f'{FEATURE}:')}": binned
                for subject, binned in one.histograms.items()
                if subject.startswith(f"{FEATURE}:")
            },
        )
        for one in measures
    ]


def _as_forgetting(measures: Sequence[RoundMeasure]) -> list[RoundMeasure]:
    """The loss alone, as what may be lost of what was known before."""
    return [
        replace(
            one,
            whole={},
            histograms={},
            rates={FORGETTING: one.rates["log_loss"]} if "log_loss" in one.rates else {},
        )
        for one in measures
    ]
