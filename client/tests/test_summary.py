"""What a summary counts, and what it refuses to."""

import json

import numpy as np
import pytest

from vigie_client import Bins, Summary

SPEC = {
    "id": "bs_0123456789abcdef",
    "labels": ["no", "yes"],
    "score": {"edges": [0, 0.25, 0.5, 0.75, 1], "unit": "probability"},
    "features": {
        "age": {"kind": "numeric", "edges": [0, 10, 20, 30], "unit": "a"},
        "site": {"kind": "categorical", "categories": ["A", "B"]},
    },
    "projections": None,
}
PROJECTED = {
    **SPEC,
    "projections": {
        "features": ["age", "dose"],
        "center": [15, 2],
        "scale": [5, 1],
        "seed": 7,
        "bases": 2,
        "edges": [-1, 0, 1],
    },
}
THREE = {**SPEC, "labels": ["a", "b", "c"]}


def test_binary_predictions_with_labels() -> None:
    summary = Summary(Bins(SPEC))
    summary.add([0.1, 0.6, 0.9, 0.25], [0, 0, 1, 1])
    record = summary.record("c_1", cohorts={"region": "north"}, resources={"evaluate_ms": 5.0})
    losses = -np.log([0.9, 0.4, 0.9, 0.25])
    assert record["num_examples"] == 4
    assert record["label_counts"] == [2, 2]
    assert record["prediction_counts"] == [2, 2]
    assert record["score_histogram"] == [1, 1, 1, 1]
    assert record["confusion"] == [[1, 1], [1, 1]]
    assert record["metrics"]["correct_count"] == 2
    assert record["metrics"]["loss_sum"] == pytest.approx(losses.sum())
    assert record["metrics"]["loss_sumsq"] == pytest.approx((losses**2).sum())
    assert record["cohorts"] == {"region": "north"}
    assert record["resources"] == {"evaluate_ms": 5.0}
    json.dumps(record, allow_nan=False)


def test_batches_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    p, y, age = rng.random(90), rng.integers(0, 2, 90), rng.uniform(-5, 40, 90)
    site, other = rng.choice(["A", "B", "C"], 90), rng.random(90)
    whole, parts = Summary(Bins(SPEC)), Summary(Bins(SPEC))
    whole.add(p, y, features={"age": age, "site": site}, candidate=other)
    for part in np.split(np.arange(90), [13, 50]):
        features = {"age": age[part], "site": site[part]}
        parts.add(p[part], y[part], features=features, candidate=other[part])
    one, two = whole.record("c_1"), parts.record("c_1")
    for block in (one, two, one["canary"], two["canary"]):
        block["metrics"] = {key: pytest.approx(value) for key, value in block["metrics"].items()}
    assert one == two


def test_values_outside_and_other_categories_have_a_bin() -> None:
    summary = Summary(Bins(SPEC))
    features: dict[str, list[float] | list[str]] = {
        "age": [-3.0, 10.0, 30.0, 99.0],
        "site": ["A", "Z", "Z", "B"],
    }
    summary.add([0.5] * 4, features=features)
    record = summary.record("c_1")
    assert record["features"] == {"age": [1, 1, 2], "site": [1, 1, 2]}
    assert "metrics" not in record
    assert "label_counts" not in record


def test_a_canary_is_paired_on_the_same_examples() -> None:
    summary = Summary(Bins(SPEC))
    summary.add([0.9, 0.9, 0.1, 0.1], [1, 0, 1, 0], candidate=[0.9, 0.1, 0.1, 0.9])
    block = summary.record("c_1")["canary"]
    assert block["agreement"] == [[1, 1], [1, 1]]
    assert block["confusion"] == [[1, 1], [1, 1]]
    assert set(block) == {"agreement", "confusion", "metrics", "score_histogram"}


def test_without_labels_a_canary_is_crossed() -> None:
    summary = Summary(Bins(SPEC))
    summary.add([0.9, 0.9, 0.1, 0.1], candidate=[0.9, 0.1, 0.1, 0.1])
    block = summary.record("c_1", candidate_ms=12.5)["canary"]
    assert block["crossed"] == [[2, 0], [1, 1]]
    assert block["evaluate_ms"] == 12.5
    assert set(block) == {"crossed", "evaluate_ms", "score_histogram"}


def test_more_than_two_classes_score_by_the_highest() -> None:
    summary = Summary(Bins(THREE))
    summary.add([[0.2, 0.2, 0.6], [0.8, 0.1, 0.1]], [2, 1])
    record = summary.record("c_1")
    assert record["score_histogram"] == [0, 0, 1, 1]
    assert record["confusion"] == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_projections_are_counted_in_every_direction() -> None:
    summary = Summary(Bins(PROJECTED))
    rng = np.random.default_rng(2)
    age, dose = rng.normal(15, 5, 50), rng.normal(2, 1, 50)
    with pytest.raises(ValueError, match="projects dose"):
        summary.add([0.5] * 50, features={"age": age})
    with pytest.raises(ValueError, match="no feature 'weight'"):
        summary.add([0.5] * 50, features={"age": age, "dose": dose, "weight": dose})
    summary.add([0.5] * 50, features={"age": age, "dose": dose})
    record = summary.record("c_1")
    assert set(record["features"]) == {"age"}
    assert np.shape(record["projections"]) == (4, 2)
    assert np.sum(record["projections"], axis=1).tolist() == [50] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, np.nan], [0, 1]), "between 0 and 1"),
        (([0.5, 1.5], [0, 1]), "between 0 and 1"),
        (([0.5, 0.5], [0, 2]), "between 0 and 1, the bin spec's labels"),
        (([0.5, 0.5], [0]), "2 whole numbers"),
        (([0.5, 0.5], [0, 0.5]), "2 whole numbers"),
        (([[0.5, 0.2, 0.3]], [0]), "expected"),
    ],
)
def test_what_cannot_be_counted_is_named(arguments: tuple[list[float], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Summary(Bins(SPEC)).add(*arguments)


def test_a_feature_has_one_value_an_example() -> None:
    with pytest.raises(ValueError, match="age has the shape"):
        Summary(Bins(SPEC)).add([0.5, 0.5], features={"age": [1.0]})


def test_a_batch_must_say_what_the_others_said() -> None:
    summary = Summary(Bins(SPEC))
    summary.add([0.5], [1])
    with pytest.raises(ValueError, match="confusion"):
        summary.add([0.5])


@pytest.mark.parametrize("spec", [{}, {**SPEC, "score": None}, {**SPEC, "features": []}])
def test_a_document_that_is_no_bin_spec_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no bin spec"):
        Bins(spec)
