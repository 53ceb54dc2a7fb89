from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vigie_client import update_block


def flat(weights: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


def test_lengths_and_cosine_are_of_all_arrays_as_one() -> None:
    rng = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {"w": (3, 4), "b": (4,)}
    own, mean = (
        {name: rng.standard_normal(shape) for name, shape in shapes.items()} for _ in range(2)
    )
    block = update_block(own, mean, to_neighbours=True)
    norm, mean_norm = np.linalg.norm(flat(own)), np.linalg.norm(flat(mean))
    assert block["norm"] == pytest.approx(norm)
    assert block["mean_norm"] == pytest.approx(mean_norm)
    assert block["cosine"] == pytest.approx(flat(own) @ flat(mean) / (norm * mean_norm))
    # The law of cosines: what the service makes of the three is the distance between the two.
    apart = (norm - mean_norm) ** 2 + 2 * norm * mean_norm * (1 - block["cosine"])
    assert np.sqrt(apart) == pytest.approx(np.linalg.norm(flat(own) - flat(mean)))


def test_with_a_server_the_means_length_is_not_told() -> None:
    assert update_block({"w": [3.0, 4.0]}, {"w": [3.0, 4.0]}) == {"norm": 5.0, "cosine": 1.0}


def test_zeros_have_no_direction() -> None:
    block = update_block({"w": [0.0]}, {"w": [2.0]}, to_neighbours=True)
    assert block == {"norm": 0.0, "mean_norm": 2.0}


def test_a_cosine_is_never_past_one() -> None:
    weights = {"w": np.full(7, 0.1)}
    assert update_block(weights, weights)["cosine"] <= 1.0


@pytest.mark.parametrize(
    ("own", "mean", "said"),
    [
        ({}, {}, "own has no arrays"),
        ({"a": [1.0]}, {"b": [1.0]}, "the same names"),
        ({"a": [1.0]}, {"a": [1.0, 2.0]}, "the same names"),
        ({"a": [float("nan")]}, {"a": [1.0]}, "own has NaN"),
        ({"a": [1.0]}, {"a": [float("inf")]}, "mean has NaN"),
        ({"a": [1e200]}, {"a": [1.0]}, "too long for float64"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    own: dict[str, list[float]], mean: dict[str, list[float]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        update_block(own, mean)
