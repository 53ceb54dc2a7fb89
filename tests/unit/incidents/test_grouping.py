"""How bad a cause is, what it is called, and what is kept of it: pure decisions on verdicts."""

from collections.abc import Sequence

import pytest

from app.drift.tables import Verdict
from app.federations.policy import Policy
from app.incidents.grouping import Evidence, evidence_of, speaks_of
from app.incidents.severity import ratio_of
from app.incidents.states import Severity
from tests.rounds import pseudonym
from tests.unit.incidents.stories import RATES, at_clients, concluded, stable, verdict

FEDERATION = ("federation", "")


def told(
    verdicts: Sequence[Verdict],
    place: tuple[str, str] = FEDERATION,
    feature: str | None = None,
) -> Evidence:
    return evidence_of(place, [one for one in verdicts if one.outcome == "drift"], feature)


def severity(
    verdicts: Sequence[Verdict], criticality: str = "medium", **policy: object
) -> Severity:
    (first, *_) = verdicts
    evidence = told(verdicts, (first.scope, first.scope_key))
    return evidence.severity(Policy.model_validate(policy), "late-arrival", criticality)


def test_the_strongest_subject_tells_in_how_many_clients_it_moved() -> None:
    counted = {"clients_judged": 16, "clients_drifting": 9, "clients_moved": 11}
    weaker = {"clients_judged": 15, "clients_drifting": 1, "clients_moved": 2}
    found = [
        verdict(effect=0.09, explanation=counted),
        verdict(subject="log_loss", effect=0.06, explanation=weaker),
    ]
    document = told(found).document()
    assert (document["clients_drifting"], document["clients_judged"]) == (9, 16)
    assert document["clients_moved"] == 11


@pytest.mark.parametrize(
    ("scope", "key", "effect", "q_value", "expected"),
    [
        ("federation", "", 0.099, 0.004, Severity.WARNING),  # broad and sure, but not large
        ("federation", "", 0.100, 0.004, Severity.CRITICAL),
        ("federation", "", -0.100, 0.004, Severity.CRITICAL),
        ("federation", "", 0.500, 0.040, Severity.WARNING),  # not sure
        ("federation", "", 0.500, None, Severity.WARNING),
        ("cohort", "hub=EWR", 0.5, 0.004, Severity.WARNING),  # not broad
        ("client", pseudonym(1), 0.5, 0.004, Severity.WARNING),
    ],
)
def test_severity_is_by_effect_breadth_and_confidence(
    scope: str, key: str, effect: float, q_value: float | None, expected: Severity
) -> None:
    assert severity([verdict(scope, key, effect=effect, q_value=q_value)]) is expected


@pytest.mark.parametrize(("moved", "expected"), [(7, Severity.WARNING), (8, Severity.CRITICAL)])
def test_broad_is_what_moved_at_half_of_the_clients(moved: int, expected: Severity) -> None:
    counted = {"clients_judged": 16, "clients_drifting": moved, "clients_moved": moved}
    assert severity([verdict(effect=0.5, explanation=counted)]) is expected


@pytest.mark.parametrize(
    ("criticality", "points"),
    [
        ("low", ["info", "warning", "warning", "warning"]),
        ("medium", ["warning", "warning", "warning", "critical"]),
        ("high", ["warning", "warning", "critical", "critical"]),
        ("critical", ["warning", "critical", "critical", "critical"]),
    ],
)
def test_severity_is_by_what_rests_on_the_model(criticality: str, points: list[str]) -> None:
    narrow = {"clients_judged": 16, "clients_moved": 1}
    found = [
        verdict(q_value=0.04, explanation=narrow),
        verdict(explanation=narrow),
        verdict(effect=0.5, explanation=narrow),
        verdict(effect=0.5),
    ]
    assert [severity([one], criticality) for one in found] == points


def test_who_takes_part_is_information() -> None:
    moved = verdict(family="participation", subject="participation", effect=1.0)
    assert severity([moved], "critical") is Severity.INFO


def test_a_model_that_errs_less_is_no_alarm() -> None:
    fell = verdict(subject="log_loss", effect=-0.4)
    assert severity([fell, verdict(effect=-0.2)]) is Severity.INFO
    worse = verdict(subject="error_rate", effect=0.2)
    assert severity([fell, worse]) is Severity.CRITICAL


def test_the_policy_may_set_a_subjects_severity_and_a_models_least() -> None:
    quiet = {"subjects": {"label": {"severity": "info"}}}
    assert severity([verdict()], drift=quiet) is Severity.INFO
    grave = {"least_severity": {"late-arrival": "critical"}}
    assert severity([verdict()], incidents=grave) is Severity.CRITICAL


def test_a_sequential_detector_has_no_practical_threshold() -> None:
    assert ratio_of(verdict(threshold=0.0)) == 0.0
    assert ratio_of(verdict(effect=None)) == 0.0


def test_the_title_is_a_plain_sentence() -> None:
    explanation = {"within_client": 0.07, "participation_mix": 0.01}
    strongest = verdict(effect=0.2, explanation=explanation)
    more = [verdict(subject=name) for name in RATES[1:]]
    evidence = told(concluded([*more, strongest, *at_clients(9, 16)]))
    assert evidence.title(23) == (
        "Drift in label:late and 2 more at 9 of 16 clients since step 23, within-client"
    )


def test_the_title_names_the_one_feature_though_the_errors_moved_more() -> None:
    hour = verdict(subject="feature:hour", family="data", effect=0.06)
    evidence = told([verdict(effect=0.3), hour], feature="feature:hour")
    assert evidence.title(7) == "Drift in feature:hour and 1 more since step 7"
    assert evidence.ratio == pytest.approx(6.0)


def test_the_title_names_the_cohort_and_counts_what_the_federation_shows() -> None:
    found = [verdict("cohort", "hub=EWR"), verdict(subject="score", family="data")]
    evidence = told(found, ("cohort", "hub=EWR"))
    assert evidence.title(7) == "Drift in label:late and 1 more in hub=EWR since step 7"
    assert [one.scope for one in evidence.beside] == ["federation"]


def test_the_title_counts_the_cohorts_that_share_a_feature() -> None:
    found = [
        verdict("cohort", key, subject="feature:hour", effect=effect)
        for key, effect in (("hub=EWR", 0.3), ("hub=JFK", 0.2))
    ]
    title = told(found, ("cohort", "hub=EWR"), "feature:hour").title(7)
    assert title == "Drift in feature:hour in hub=EWR and 1 more cohorts since step 7"


def test_a_clients_title_does_not_name_the_client() -> None:
    evidence = told(at_clients(1, 1), ("client", pseudonym(0)))
    assert evidence.title(23) == "Drift in label:late at one client since step 23"


def test_evidence_has_numbers_and_names_no_client() -> None:
    document = told(concluded([verdict(), *at_clients(1, 2)])).document()
    assert document["subjects"][0] == {
        "subject": "label:late",
        "detector": "median-shift",
        "effect": 0.08,
        "effect_unit": "probability",
        "threshold": 0.05,
        "statistic": 4.0,
        "p_value": 0.001,
        "q_value": 0.004,
        "minimum_detectable_effect": None,
    }
    assert (document["clients_drifting"], document["clients_judged"]) == (1, 2)
    assert pseudonym(0) not in str(document)


def test_insufficient_evidence_says_nothing_of_a_cause() -> None:
    here = {("federation", "", "concept")}
    assert speaks_of([stable()], here)
    assert not speaks_of([verdict(outcome="insufficient_evidence")], here)
    assert not speaks_of([stable(scope="cohort", key="hub=EWR")], here)
    assert not speaks_of([stable(subject="score", family="data")], here)
