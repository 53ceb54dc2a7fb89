"""What belongs together, how bad it is, and what it is called: pure decisions on verdicts."""

import pytest

from app.drift.tables import Verdict
from app.federations.policy import IncidentPolicy, Policy
from app.incidents.grouping import Cause, evidence_of, openable, ratio_of, speaks_of
from app.incidents.states import Severity
from tests.rounds import pseudonym
from tests.unit.incidents.stories import RATES, at_clients, concluded, stable, verdict

POLICY = IncidentPolicy()
EVERYWHERE = IncidentPolicy(scopes=("federation", "cohort", "client"))
FEDERATION = Cause("concept", "federation", "")


def keys(verdicts: list[Verdict], policy: IncidentPolicy = EVERYWHERE) -> set[tuple[str, str]]:
    found = openable(evidence_of(verdicts), policy)
    return {(evidence.cause.scope, evidence.cause.scope_key) for evidence in found}


def test_only_drift_is_evidence() -> None:
    outcomes = ("stable", "warning", "insufficient_evidence")
    assert evidence_of([verdict(outcome=outcome) for outcome in outcomes]) == {}


def test_subjects_of_a_family_are_one_cause_and_families_are_two() -> None:
    verdicts = [*(verdict(subject=name) for name in RATES), verdict(subject="score", family="data")]
    assert set(evidence_of(verdicts)) == {FEDERATION, Cause("data", "federation", "")}


def test_what_drifts_everywhere_is_one_cause() -> None:
    verdicts = [verdict(), verdict("cohort", "hub=EWR"), *at_clients(3, 4)]
    assert keys(verdicts) == {("federation", "")}


def test_the_federations_cause_absorbs_its_own_family_alone() -> None:
    verdicts = [verdict(), verdict("cohort", "hub=EWR", subject="score", family="data")]
    assert keys(verdicts) == {("federation", ""), ("cohort", "hub=EWR")}


@pytest.mark.parametrize("outcome", ["stable", "warning", "insufficient_evidence"])
def test_cohorts_and_clients_that_drift_alone_are_causes_of_their_own(outcome: str) -> None:
    verdicts = [
        verdict(outcome=outcome),
        verdict("cohort", "hub=EWR"),
        verdict("cohort", "hub=JFK"),
        *at_clients(1, 2),
    ]
    alone = {("cohort", "hub=EWR"), ("cohort", "hub=JFK"), ("client", pseudonym(0))}
    assert keys(verdicts) == alone


def test_the_policy_says_which_scopes_open_incidents() -> None:
    verdicts = [verdict("cohort", "hub=EWR"), *at_clients(1, 2)]
    assert keys(verdicts, POLICY) == {("cohort", "hub=EWR")}


def test_narrower_drift_is_evidence_of_the_federations_cause() -> None:
    absorbed = [verdict("cohort", "hub=EWR"), *at_clients(2, 3)]
    other_family = verdict("cohort", "hub=EWR", subject="score", family="data")
    evidence = evidence_of([verdict(), *absorbed, other_family])[FEDERATION]
    assert {(v.scope, v.scope_key) for v in evidence.behind} == {
        ("federation", ""),
        ("cohort", "hub=EWR"),
        ("client", pseudonym(0)),
        ("client", pseudonym(1)),
    }


def test_the_strongest_subject_tells_in_how_many_clients_it_moved() -> None:
    told = {"clients_judged": 16, "clients_drifting": 9, "clients_moved": 11}
    weaker = {"clients_judged": 15, "clients_drifting": 1, "clients_moved": 2}
    found = [
        verdict(effect=0.09, explanation=told),
        verdict(subject="log_loss", effect=0.06, explanation=weaker),
    ]
    evidence = evidence_of(found)[FEDERATION]
    assert (evidence.clients_drifting, evidence.clients_judged) == (9, 16)
    assert evidence.clients_moved == 11


@pytest.mark.parametrize(
    ("scope", "key", "effect", "severity"),
    [
        ("federation", "", 0.099, Severity.WARNING),
        ("federation", "", 0.100, Severity.CRITICAL),
        ("federation", "", -0.100, Severity.CRITICAL),
        ("cohort", "hub=EWR", 0.5, Severity.WARNING),
        ("client", pseudonym(1), 0.5, Severity.WARNING),
    ],
)
def test_severity_is_by_effect_and_scope(
    scope: str, key: str, effect: float, severity: Severity
) -> None:
    (evidence,) = evidence_of([verdict(scope, key, effect=effect)]).values()
    assert evidence.severity(Policy(), "late-arrival") is severity


def test_who_takes_part_is_information() -> None:
    moved = verdict(family="participation", subject="participation", effect=1.0)
    (evidence,) = evidence_of([moved]).values()
    assert evidence.severity(Policy(), "late-arrival") is Severity.INFO


def test_a_sequential_detector_has_no_practical_threshold() -> None:
    assert ratio_of(verdict(threshold=0.0)) == 0.0
    assert ratio_of(verdict(effect=None)) == 0.0


def test_the_title_is_a_plain_sentence() -> None:
    explanation = {"within_client": 0.07, "participation_mix": 0.01}
    strongest = verdict(effect=0.2, explanation=explanation)
    more = [verdict(subject=name) for name in RATES[1:]]
    evidence = evidence_of(concluded([*more, strongest, *at_clients(9, 16)]))[FEDERATION]
    assert evidence.title(23) == (
        "Drift in label:late and 2 more at 9 of 16 clients since step 23, within-client"
    )


def test_a_clients_title_does_not_name_the_client() -> None:
    (evidence,) = evidence_of(at_clients(1, 1)).values()
    assert pseudonym(0) not in evidence.title(23)
    assert evidence_of([verdict("cohort", "hub=EWR")]).popitem()[1].title(23) == (
        "Drift in label:late in hub=EWR since step 23"
    )


def test_evidence_has_numbers_and_names_no_client() -> None:
    evidence = evidence_of(concluded([verdict(), *at_clients(1, 2)]))[FEDERATION]
    document = evidence.document()
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
    assert speaks_of([stable()], FEDERATION)
    assert not speaks_of([verdict(outcome="insufficient_evidence")], FEDERATION)
    assert not speaks_of([stable(scope="cohort", key="hub=EWR")], FEDERATION)
    assert not speaks_of([stable(subject="score", family="data")], FEDERATION)


def test_a_model_that_errs_less_is_no_alarm() -> None:
    fell = verdict(subject="log_loss", effect=-0.4)
    better = evidence_of([fell, verdict(effect=-0.2)])[FEDERATION]
    assert better.severity(Policy(), "late-arrival") is Severity.INFO
    worse = evidence_of([fell, verdict(subject="error_rate", effect=0.2)])[FEDERATION]
    assert worse.severity(Policy(), "late-arrival") is Severity.CRITICAL


def test_the_policy_may_set_a_subjects_severity_and_a_models_least() -> None:
    evidence = evidence_of([verdict()])[FEDERATION]
    quiet = {"drift": {"subjects": {"label": {"severity": "info"}}}}
    assert evidence.severity(Policy.model_validate(quiet), "late-arrival") is Severity.INFO
    grave = {"incidents": {"least_severity": {"late-arrival": "critical"}}}
    assert evidence.severity(Policy.model_validate(grave), "late-arrival") is Severity.CRITICAL
