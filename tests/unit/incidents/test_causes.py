"""Which verdicts of a round are one cause, and of which open incident: pure decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from app.drift.service import Series, Timeline
from app.drift.tables import Verdict
from app.federations.policy import IncidentPolicy
from app.incidents.causes import Cause, Sorting, drifting_of, traced_cohorts
from tests.rounds import pseudonym
from tests.unit.incidents.stories import RATES, at_clients, stable, verdict

POLICY = IncidentPolicy()
EVERYWHERE = IncidentPolicy(scopes=("federation", "cohort", "client"))
NOW = 40
ROUNDS = Timeline(range(1, NOW + 1))
DATA = {"family": "data"}


@dataclass(frozen=True)
class Known:
    """An incident that is open since step 10."""

    place: tuple[str, str] = ("federation", "")
    onset_step: int = 10
    families: Mapping[Series, str] = field(default_factory=dict)


def of(*verdicts: Verdict, **more: int) -> Mapping[Series, str]:
    return {Series.of(one): one.family for one in verdicts}


def sort(
    verdicts: Sequence[Verdict],
    *known: Known,
    onsets: Mapping[str, int] | None = None,
    policy: IncidentPolicy = EVERYWHERE,
) -> list[Cause]:
    """The causes of a round; onsets by subject, or by cohort, else it is this round."""
    since = onsets or {}
    found = {
        series: since.get(series.subject, since.get(series.scope_key, NOW))
        for series in drifting_of(verdicts)
    }
    return Sorting(verdicts, known, found, ROUNDS, policy).causes


def named(cause: Cause) -> set[str]:
    return {series.subject for series in cause.drifting}


def test_only_drift_is_evidence() -> None:
    outcomes = ("stable", "warning", "insufficient_evidence")
    assert sort([verdict(outcome=outcome) for outcome in outcomes]) == []


def test_subjects_of_a_family_are_one_cause_and_families_are_two() -> None:
    verdicts = [*(verdict(subject=name) for name in RATES), verdict(subject="score", **DATA)]
    concept, data = sort(verdicts)
    assert (named(concept), named(data)) == (set(RATES), {"score"})


@pytest.mark.parametrize(("onset", "causes"), [(38, 1), (37, 2), (12, 2)])
def test_another_onset_is_another_cause(onset: int, causes: int) -> None:
    verdicts = [verdict(subject=name, **DATA) for name in ("feature:hour", "feature:origin")]
    assert len(sort(verdicts, onsets={"feature:hour": onset})) == causes


@pytest.mark.parametrize(("onset", "joins"), [(8, True), (12, True), (7, False), (13, False)])
def test_a_new_subject_joins_an_open_incident_of_its_onset(onset: int, joins: bool) -> None:
    hour, origin = (verdict(subject=f"feature:{name}", **DATA) for name in ("hour", "origin"))
    known = Known(families=of(hour))
    causes = sort([hour, origin], known, onsets={"feature:origin": onset})
    assert named(causes[0]) == ({"feature:hour", "feature:origin"} if joins else {"feature:hour"})
    assert len(causes) == (1 if joins else 2)


def test_rounds_count_and_not_steps() -> None:
    hour, origin = (verdict(subject=f"feature:{name}", **DATA) for name in ("hour", "origin"))
    every_tenth = Timeline(range(0, 400, 10))
    onsets = {Series.of(origin): 120}
    known = Known(onset_step=100, families=of(hour))
    (joined,) = Sorting([hour, origin], [known], onsets, every_tenth, POLICY).causes
    assert len(joined.drifting) == 2


def test_what_drifts_everywhere_is_one_cause() -> None:
    moved = [verdict("cohort", f"hub={hub}") for hub in ("EWR", "JFK")]
    (cause,) = sort([verdict(), *moved, *at_clients(3, 4)])
    assert (cause.place, len(cause.beside)) == (("federation", ""), 5)


def test_the_federations_cause_takes_in_its_own_family_alone() -> None:
    verdicts = [verdict(), verdict("cohort", "hub=EWR", subject="score", **DATA)]
    assert [cause.place for cause in sort(verdicts)] == [("federation", ""), ("cohort", "hub=EWR")]


def test_a_cohorts_new_drift_is_not_lost_in_an_old_one_of_the_federation() -> None:
    known = Known(families=of(verdict(subject="feature:hour", **DATA)))
    other = verdict("cohort", "hub=EWR", subject="feature:origin", **DATA)
    same = verdict("cohort", "hub=JFK", subject="feature:hour", **DATA)
    old, new = sort([other, same], known)
    assert (old.beside, new.place) == ([same], ("cohort", "hub=EWR"))


def test_clients_that_drift_in_one_subject_since_one_onset_are_one_cause() -> None:
    alike = [verdict("client", pseudonym(at), subject="score", **DATA) for at in range(3)]
    wind = verdict("client", pseudonym(1), subject="feature:wind", effect=0.06, **DATA)
    other = verdict("client", pseudonym(7), subject="feature:wind", effect=0.07, **DATA)
    score, found = sort([*alike, wind, other])
    assert (named(score), len(score.drifting)) == ({"score"}, 3)
    assert (named(found), len(found.drifting)) == ({"feature:wind"}, 2)


def test_clients_that_drift_alike_at_another_time_are_another_cause() -> None:
    alike = [verdict("client", pseudonym(at), subject="score", **DATA) for at in range(2)]
    assert len(sort(alike, onsets={pseudonym(1): NOW - 9})) == 2


@pytest.mark.parametrize("outcome", ["stable", "warning", "insufficient_evidence"])
def test_cohorts_and_clients_that_drift_alone_are_causes_of_their_own(outcome: str) -> None:
    verdicts = [
        verdict(outcome=outcome),
        verdict("cohort", "hub=EWR"),
        verdict("cohort", "hub=JFK"),
        *at_clients(1, 2),
    ]
    alone = {("cohort", "hub=EWR"), ("cohort", "hub=JFK"), ("client", pseudonym(0))}
    assert {cause.place for cause in sort(verdicts)} == alone


def test_the_policy_says_which_scopes_open_incidents() -> None:
    verdicts = [verdict("cohort", "hub=EWR"), *at_clients(1, 2)]
    assert [cause.place for cause in sort(verdicts, policy=POLICY)] == [("cohort", "hub=EWR")]


def test_a_cohort_is_one_cause_whatever_the_families() -> None:
    alone = [
        verdict("cohort", "hub=EWR", subject=subject, family=family)
        for subject, family in (
            ("log_loss", "concept"),
            ("score", "data"),
            ("label:late", "concept"),
        )
    ]
    (cause,) = sort(alone)
    assert named(cause) == {"log_loss", "score", "label:late"}


def test_one_feature_is_one_cause_with_the_errors_that_it_makes() -> None:
    verdicts = [
        verdict(subject="feature:hour", **DATA),
        verdict(subject="score", **DATA),
        verdict(subject="log_loss"),
    ]
    (cause,) = sort(verdicts)
    assert (cause.feature, len(cause.drifting)) == ("feature:hour", 3)


def test_errors_are_not_one_features_doing_where_others_move_as_well() -> None:
    moving = stable(subject="feature:origin", effect=0.06, **DATA)
    verdicts = [verdict(subject="feature:hour", **DATA), verdict(subject="log_loss"), moving]
    assert len(sort(verdicts)) == 2
    still = stable(subject="feature:origin", effect=0.04, **DATA)
    assert len(sort([*verdicts[:2], still])) == 1


def test_errors_of_another_onset_are_not_the_features() -> None:
    verdicts = [verdict(subject="feature:hour", **DATA), verdict(subject="log_loss")]
    assert [len(sort(verdicts, onsets={"log_loss": onset})) for onset in (39, 38)] == [1, 2]


def test_who_takes_part_is_never_one_cause_with_what_is_said() -> None:
    gone = verdict("cohort", "hub=EWR", subject="participation", family="participation")
    assert len(sort([gone, verdict("cohort", "hub=EWR")])) == 2


def test_the_federations_drift_goes_to_the_one_cohort_that_it_comes_from() -> None:
    still = [stable(scope="cohort", key=f"hub={hub}") for hub in ("JFK", "LGA")]
    (cause,) = sort([verdict(), verdict("cohort", "hub=EWR", effect=0.2), *still])
    assert cause.place == ("cohort", "hub=EWR")
    assert {series.scope for series in cause.drifting} == {"federation", "cohort"}


@pytest.mark.parametrize(
    "other",
    [
        verdict("cohort", "hub=JFK"),
        stable(scope="cohort", key="hub=JFK", effect=0.06),  # not seen, but moved
        stable(scope="cohort", key="hub=JFK", outcome="warning"),
        stable(scope="cohort", key="hub=JFK", outcome="insufficient_evidence"),
        stable(scope="cohort", key="device=v2"),  # of another tag
    ],
)
def test_it_is_traced_to_no_cohort_unless_the_others_are_still(other: Verdict) -> None:
    assert traced_cohorts([verdict(), verdict("cohort", "hub=EWR"), other]) == {}


def test_clients_that_share_one_feature_are_one_cause() -> None:
    both = at_clients(2, 2, subject="feature:hour", **DATA)
    (cause,) = sort(both)
    assert len(cause.drifting) == 2


def test_a_clients_drift_is_part_of_the_federations_whenever_it_began() -> None:
    known = Known(families=of(verdict(subject="feature:hour", **DATA)))
    (cause,) = sort(at_clients(1, 1, subject="feature:origin", **DATA), known)
    assert len(cause.beside) == 1


def test_cohorts_of_two_tags_that_share_one_feature_are_one_cause() -> None:
    keys = ("hub=EWR", "device=v2")
    verdicts = [verdict("cohort", key, subject="feature:hour", **DATA) for key in keys]
    (cause,) = sort(verdicts)
    assert {series.scope_key for series in cause.drifting} == set(keys)
