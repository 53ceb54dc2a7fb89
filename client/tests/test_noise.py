"""Noise on a record: as much as is declared, no less, and drawn once."""

import math
from typing import Any

import numpy as np
import pytest

from vigie_client import Bins, Noise, Summary, common_privacy

pytest.importorskip("opendp", reason="vigie-client[dp]")

SPEC = {
    "id": "bs_0123456789abcdef",
    "labels": ["no", "yes"],
    "score": {"edges": [0, 0.5, 1], "unit": "probability"},
    "features": {"age": {"kind": "numeric", "edges": [0, 10, 20, 30], "unit": "a"}},
    "projections": {
        "features": ["age"], "center": [15], "scale": [5], "seed": 7, "bases": 3,
        "edges": [-1, 0, 1],
    },
}  # fmt: skip
GEOMETRIC = Noise.geometric(0.5, loss_bound=2.0)
GAUSSIAN = Noise.gaussian(0.5, 1e-5, loss_bound=2.0)
DRAWS = 20_000
# What one example touches in the record below: examples, label and prediction counts, score,
# confusion, correct ones, two sums of losses, one feature and three directions.
TOUCHED = 12


def summary(noise: Noise | None) -> Summary:
    made = Summary(Bins(SPEC), noise=noise)
    made.add([0.1, 0.9, 0.8], [0, 1, 0], features={"age": [5.0, 15.0, 25.0]})
    return made


@pytest.mark.parametrize("noise", [GEOMETRIC, GAUSSIAN])
def test_the_declared_noise_is_that_of_the_whole_record(noise: Noise) -> None:
    privacy = summary(noise).privacy
    norm = TOUCHED if noise.mechanism == "geometric" else math.sqrt(TOUCHED)
    assert privacy.pop("sensitivity") == pytest.approx(norm)
    assert privacy.pop("delta", 0.0) == noise.delta
    assert privacy == {
        "mechanism": noise.mechanism, "epsilon": 0.5, "unit": "example", "clip_norm": 2.0,
    }  # fmt: skip


def declared_variance(noise: Noise) -> float:
    """As the service reads the declaration."""
    scale = noise.sensitivity(TOUCHED) / noise.epsilon
    if noise.mechanism == "gaussian":
        return 2 * math.log(1.25 / noise.delta) * scale**2
    ratio = math.exp(-1 / scale)
    return 2 * ratio / (1 - ratio) ** 2


@pytest.mark.parametrize("noise", [GEOMETRIC, GAUSSIAN])
def test_the_noise_has_the_variance_that_is_declared(noise: Noise) -> None:
    numbers: dict[tuple[str, ...], Any] = {("x", str(n)): np.asarray(0) for n in range(TOUCHED - 2)}
    numbers["counts",] = np.zeros(DRAWS, int)
    numbers["metrics", "loss_sum"] = np.zeros(DRAWS)
    released = noise.released(numbers)
    variance = declared_variance(noise)
    kurtosis = 6 if noise.mechanism == "geometric" else 3
    slack = 5 * math.sqrt((kurtosis - 1) / DRAWS)
    counts, losses = released["counts",], released["metrics", "loss_sum"]
    assert counts.dtype == np.int64
    assert counts.var() == pytest.approx(variance, rel=slack)
    assert abs(counts.mean()) < 5 * math.sqrt(variance / DRAWS)
    # Continuous and discrete noise of one scale differ by a 12th at most.
    assert (losses / noise.loss_bound).var() == pytest.approx(variance, rel=slack, abs=0.2)


def test_losses_are_clipped_and_their_sums_exact() -> None:
    noise = Noise.geometric(1.0, loss_bound=0.25)
    losses = np.array([0.125, 3.0, 0.25, 0.1])
    parts = noise.parts(losses)
    assert parts["loss_sum"] == pytest.approx(0.5 + 1 + 1 + 0.4, abs=2e-6)
    assert parts["loss_sumsq"] == pytest.approx(0.25 + 1 + 1 + 0.16, abs=2e-6)
    assert float(parts["loss_sum"] * 2**20).is_integer()
    many = np.random.default_rng(1).random(10_000)
    assert noise.parts(many)["loss_sum"] == sum(noise.parts(each)["loss_sum"] for each in many)


def test_little_noise_gives_nearly_the_exact_record() -> None:
    exact = summary(None).record("c_1")
    noised = summary(Noise.geometric(1e6, loss_bound=2.0)).record("c_1")
    metrics = noised.pop("metrics")
    assert metrics == pytest.approx(exact.pop("metrics"), abs=1e-3)
    assert noised == exact


def test_every_number_is_noised_and_of_its_right_type() -> None:
    record = summary(Noise.geometric(1e-3, loss_bound=2.0)).record("c_1")
    exact = summary(None).record("c_1")
    assert isinstance(record["num_examples"], int)
    assert record["num_examples"] >= 0
    for name in ("label_counts", "prediction_counts", "score_histogram", "confusion"):
        assert np.shape(record[name]) == np.shape(exact[name])
        assert np.all(np.asarray(record[name]) != np.asarray(exact[name]))
    assert np.shape(record["projections"]) == (3, 2)
    assert record["metrics"]["loss_sum"] != exact["metrics"]["loss_sum"]


def test_noise_is_drawn_once() -> None:
    made = summary(GEOMETRIC)
    assert made.record("c_1") == made.record("c_1")
    with pytest.raises(ValueError, match="start another Summary"):
        made.add([0.1], [0], features={"age": [5.0]})


def test_a_gaussian_that_would_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spends \d"):
        summary(Noise.gaussian(10.0, 1e-5, loss_bound=1.0)).record("c_1")


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_parameters_without_a_meaning_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="epsilon is"):
        Noise.geometric(bad, loss_bound=1.0)
    with pytest.raises(ValueError, match="loss_bound is"):
        Noise.geometric(1.0, loss_bound=bad)
    with pytest.raises(ValueError, match="delta is"):
        Noise.gaussian(1.0, bad, loss_bound=1.0)


def test_a_push_declares_one_noise() -> None:
    block = summary(GEOMETRIC).privacy
    assert common_privacy([block, dict(block)]) == block
    assert common_privacy([summary(None).privacy]) == {"mechanism": "none"}
    others: list[list[dict[str, Any]]] = [[], [block, summary(None).privacy]]
    for differing in others:
        with pytest.raises(ValueError, match="declares one noise"):
            common_privacy(differing)
