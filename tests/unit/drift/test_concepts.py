"""Concepts followed round by round: what the library says of all rounds at once."""

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from app.drift.concepts import ALPHA, MOST_ROUNDS, Concepts, overdispersed, without
from app.rounds.records import pseudonyms
from detectors import track_concepts

CLIENTS = pseudonyms([f"c_{number:032x}" for number in range(5)])
CHANGES = {(10, 1), (14, 1), (12, 3)}  # rounds and clients; client 1 from one foreign concept on


def matrices(rounds: int) -> NDArray[np.float64]:
    """Client 1 errs at one prediction from round 10 on, at the other from 14; client 3 from 12."""
    rng = np.random.default_rng(2023)
    wrong = np.full((rounds, len(CLIENTS), 2), 0.1)
    wrong[10:14, 1], wrong[14:, 1], wrong[12:, 3] = (0.5, 0.1), (0.1, 0.5), (0.3, 0.3)
    errors = rng.binomial(200, wrong)
    return np.stack([200 - errors, errors], axis=-1)[..., [0, 1]].swapaxes(-1, -2).astype(float)


def measure(confusions: NDArray[np.float64]) -> Any:
    return SimpleNamespace(clients=CLIENTS, confusions=_by_label(confusions), noise_sd=0.0)


def _by_label(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """[client, right or wrong, prediction] as [client, label, prediction]."""
    told = errors.copy()
    told[:, :, 1] = errors[:, ::-1, 1]
    return told


def followed(rounds: int) -> tuple[Concepts, list[NDArray[np.bool_]]]:
    concepts = Concepts.begun(CLIENTS, 2)
    return concepts, [concepts.take(measure(one)) for one in matrices(rounds)]


def test_each_round_tells_what_the_library_tells_of_all_of_them() -> None:
    _, alarms = followed(20)
    known = track_concepts(np.array([_by_label(one) for one in matrices(20)]), alpha=ALPHA)
    assert np.array_equal(alarms, known.alarms)
    assert {(int(t), int(k)) for t, k in zip(*np.nonzero(alarms), strict=True)} == CHANGES


def test_the_effect_of_a_change_is_against_the_concept_just_before_it() -> None:
    concepts, _ = followed(20)
    assert np.abs(concepts.effects()).round(1).tolist() == [0.0, 0.4, 0.0, 0.2, 0.0]
    assert (concepts.onsets[1], concepts.starts[1]) == (14, 10)


def test_only_the_newest_rounds_are_kept_and_nobody_alarms_for_it() -> None:
    concepts, alarms = followed(MOST_ROUNDS + 8)
    assert len(concepts.rounds) == MOST_ROUNDS
    assert concepts.onsets[1] == 14 - 8
    assert not np.any(alarms[15:])


def test_what_is_kept_goes_on_bit_for_bit_and_forgets_who_withdrew() -> None:
    concepts, _ = followed(12)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(concepts), type=Concepts)
    newest = measure(matrices(13)[-1])
    assert np.array_equal(again.take(newest), concepts.take(newest))
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(concepts)
    left = without(msgspec.msgpack.encode(concepts), CLIENTS[:2])
    assert left is not None
    stayed = msgspec.msgpack.decode(left, type=Concepts)
    assert np.array_equal(stayed.rounds, concepts.rounds[:, 2:])
    assert without(left, CLIENTS[:2]) is None


@pytest.mark.parametrize("told", [None, np.ones((5, 3, 3))])
def test_a_round_without_such_matrices_tells_nothing(told: NDArray[np.float64] | None) -> None:
    concepts, _ = followed(9)
    silent: Any = SimpleNamespace(clients=CLIENTS, confusions=told, noise_sd=0.0)
    assert not concepts.take(silent).any()


def test_where_rounds_differ_more_than_examples_do_nobody_is_followed() -> None:
    """Every other round three times as hard: so is weather, and no change of the concept."""
    steady = [measure(one) for one in matrices(9)]
    weather = [measure(one) for one in matrices(9)]
    for hard in weather[::2]:
        wrong = 2 * hard.confusions[:, [0, 1], [1, 0]]
        hard.confusions[:, [0, 1], [1, 0]] += wrong
        hard.confusions[:, [1, 0], [1, 0]] -= wrong
    for rounds, differ in ((steady, False), (weather, True)):
        known = SimpleNamespace(clients=CLIENTS)
        case: Any = SimpleNamespace(known=known, reference=rounds[:8], current=rounds[8])
        assert overdispersed(case) is differ
