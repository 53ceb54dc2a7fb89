"""What a policy says of subjects: the exact name first, then the kind, then what is usual."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from app.federations.policy import KINDS, DriftPolicy, EffectPolicy, Policy, UnknownSubjectError
from app.federations.policy.catalogue import DETECTORS

USUAL_OF_RATES = {
    "median-shift": {},
    "adwin": {"clock": 1, "grace_period": 5},
    "page-hinkley": {"min_instances": 8, "delta": 0.5, "threshold": 5.0},
}


def drift(**subjects: Mapping[str, Any]) -> DriftPolicy:
    return DriftPolicy.model_validate({"subjects": subjects})


def faults(subjects: Mapping[str, Any]) -> dict[str, str]:
    """Codes of what is wrong, by field."""
    with pytest.raises(ValidationError) as refused:
        Policy.model_validate({"drift": {"subjects": subjects}})
    return {".".join(map(str, item["loc"])): item["type"] for item in refused.value.errors()}


def test_every_kind_has_an_effect_and_every_effect_a_kind() -> None:
    assert set(EffectPolicy.model_fields) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_newcomers_policy_judges_every_kind_with_a_detector_that_can(kind: str) -> None:
    subject = Policy().drift.subject(f"{kind}:a b" if KINDS[kind].has_parts else kind)
    assert (subject.kind, subject.judged, subject.unit) == (kind, True, KINDS[kind].unit)
    assert (subject.season_rounds, subject.severity) == (None, None)
    assert subject.effect == getattr(EffectPolicy(), kind)
    assert bool(subject.detectors) == bool(KINDS[kind].shapes)
    assert all(DETECTORS[name].judges & KINDS[kind].shapes for name in subject.detectors)


def test_the_usual_detectors_are_those_of_before() -> None:
    assert Policy().drift.subject("log_loss").detectors == USUAL_OF_RATES
    assert list(Policy().drift.subject("feature:hour").detectors) == ["ks", "energy"]
    assert list(Policy().drift.subject("prediction").detectors) == ["energy"]


def test_an_exact_name_wins_over_its_kind_field_by_field() -> None:
    policy = drift(
        **{
            "feature": {"effect": 0.3, "judged": False, "severity": "info"},
            "feature:hour": {"judged": True, "season_rounds": 7},
        }
    )
    hour, origin = policy.subject("feature:hour"), policy.subject("feature:origin")
    assert (hour.judged, hour.effect, hour.season_rounds, hour.severity) == (True, 0.3, 7, "info")
    assert (origin.judged, origin.effect, origin.season_rounds) == (False, 0.3, None)
    assert policy.subject("score").judged


def test_the_effect_of_a_kind_is_that_of_drift_effects_unless_an_entry_has_one() -> None:
    policy = DriftPolicy.model_validate(
        {"effects": {"label": 0.2}, "subjects": {"label:late": {"effect": 0.01}}}
    )
    assert policy.subject("label:late").effect == 0.01
    assert policy.subject("label:on time").effect == 0.2


def test_detectors_that_are_named_replace_the_usual_and_keep_what_is_not_said() -> None:
    named = {"adwin": {"delta": 0.01, "clock": 2}, "mean-eprocess": {}}
    policy = drift(log_loss={"detectors": named})
    assert policy.subject("log_loss").detectors == {
        "adwin": {"clock": 2, "grace_period": 5, "delta": 0.01},
        "mean-eprocess": {},
    }
    assert policy.subject("error_rate").detectors == USUAL_OF_RATES


@pytest.mark.parametrize(
    "name",
    [
        *("bogus", "", ":", "feature:", "score:", "log_loss:late", "Feature:hour", "feature :hour"),
        *("feature:hour\n", "feature:\x00", "feature:a/b", "feature:" + "x" * 64, "énergie"),
    ],
)
def test_a_name_that_no_subject_can_have_is_refused(name: str) -> None:
    assert faults({name: {}}) == {f"drift.subjects.{name}": "unknown_subject"}
    with pytest.raises(UnknownSubjectError, match="Known: log_loss"):
        Policy().drift.subject(name)


def test_another_unit_than_the_subjects_is_refused_and_the_right_one_told() -> None:
    right = {name: {"unit": kind.unit} for name, kind in KINDS.items()}
    assert Policy.model_validate({"drift": {"subjects": right}})
    wrong = {"feature:hour": {"unit": "h"}, "latency_ms": {"unit": "ms"}}
    with pytest.raises(ValidationError) as refused:
        Policy.model_validate({"drift": {"subjects": wrong}})
    told = [(item["loc"][-2:], item["msg"]) for item in refused.value.errors()]
    assert told == [
        (("feature:hour", "unit"), "feature:hour: Its effects are in 'probability'."),
        (("latency_ms", "unit"), "latency_ms: Its effects are in 'ratio'."),
    ]


@pytest.mark.parametrize(
    ("kind", "detectors", "field", "code"),
    [
        ("log_loss", {"adwn": {}}, "adwn", "unknown_detector"),
        ("score", {"adwin": {}}, "adwin", "unknown_detector"),  # it watches no distributions
        ("log_loss", {"ks": {}}, "ks", "unknown_detector"),
        ("prediction", {"ks": {}}, "ks", "unknown_detector"),  # categories have no order
        ("log_loss", {"ddm": {}}, "ddm", "unknown_detector"),  # reads single predictions
        ("log_loss", {"os.path:join": {}}, "os.path:join", "unknown_detector"),
        ("log_loss", {"adwin": {"detla": 0.1}}, "adwin.detla", "unknown_parameter"),
        ("score", {"ks": {"alpha": 0.1}}, "ks.alpha", "unknown_parameter"),
        ("log_loss", {"sprt": {"family": 1}}, "sprt.family", "unknown_parameter"),
        ("log_loss", {"adwin": {"delta": 2}}, "adwin.delta", "parameter_out_of_range"),
        ("log_loss", {"adwin": {"clock": 2.5}}, "adwin.clock", "parameter_out_of_range"),
        ("log_loss", {"adwin": {"clock": 10**6}}, "adwin.clock", "parameter_out_of_range"),
        ("log_loss", {"cusum": {"h": -1}}, "cusum.h", "parameter_out_of_range"),
        ("score", {"ks": {"power": 1}}, "ks.power", "parameter_out_of_range"),
        ("log_loss", {"adwin": {"delta": "0.1"}}, "adwin.delta", "value_error"),
        ("log_loss", {"adwin": {"delta": True}}, "adwin.delta", "value_error"),
        ("log_loss", {"adwin": {"delta": float("nan")}}, "adwin.delta", "value_error"),
        ("log_loss", {"adwin": {"clock": 10**30}}, "adwin.clock", "value_error"),
        ("log_loss", {"adwin": None}, "adwin", "dict_type"),
    ],
)
def test_detectors_that_cannot_judge_are_refused_by_field(
    kind: str, detectors: dict[str, Any], field: str, code: str
) -> None:
    path = f"drift.subjects.{kind}.detectors.{field}"
    assert faults({kind: {"detectors": detectors}}) == {path: code}


@pytest.mark.parametrize(
    ("entry", "field", "code"),
    [
        ({"effect": 0}, "effect", "greater_than"),
        ({"effect": 1.5}, "effect", "effect_out_of_range"),
        ({"effect": float("inf")}, "effect", "finite_number"),
        ({"season_rounds": 1}, "season_rounds", "greater_than_equal"),
        ({"season_rounds": 1001}, "season_rounds", "less_than_equal"),
        ({"severity": "bad"}, "severity", "literal_error"),
        ({"detectors": {}}, "detectors", "too_short"),
        ({"efect": 0.1}, "efect", "extra_forbidden"),
    ],
)
def test_values_that_mean_nothing_are_refused(entry: dict[str, Any], field: str, code: str) -> None:
    assert faults({"score": entry}) == {f"drift.subjects.score.{field}": code}


def test_all_faults_are_told_at_once() -> None:
    wrong = {"bogus": {}, "score": {"unit": "h", "effect": 2, "detectors": {"adwin": {}}}}
    assert faults(wrong) == {
        "drift.subjects.bogus": "unknown_subject",
        "drift.subjects.score.unit": "wrong_unit",
        "drift.subjects.score.effect": "effect_out_of_range",
        "drift.subjects.score.detectors.adwin": "unknown_detector",
    }


def test_more_subjects_than_any_federation_has_are_refused() -> None:
    assert faults({f"feature:{at}": {} for at in range(1001)}) == {"drift.subjects": "too_long"}
