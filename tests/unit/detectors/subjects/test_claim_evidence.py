"""Evidence against claimed chances: right whenever one looks, and found in small groups."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats

from detectors import DetectorError, claim_evidence

CHANCES = np.array([0.05, 0.1, 0.2, 0.4])
ROUNDS, GROUPS = 60, 2_000


def sums(truth: np.ndarray, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Cumulated events (rounds, groups) and counts (rounds, groups, bins) of 5 examples a bin."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(5, (ROUNDS, GROUPS, CHANCES.size))
    events = rng.binomial(counts, truth).sum(axis=2)
    return events.cumsum(axis=0), counts.cumsum(axis=0)


def largest(truth: np.ndarray) -> np.ndarray:
    """The most evidence that each group ever gave, looked at after every round."""
    events, counts = sums(truth)
    each = [claim_evidence(*at, CHANCES).e_values for at in zip(events, counts, strict=True)]
    return np.asarray(np.max(each, axis=0))


@pytest.mark.parametrize("level", [0.2, 0.05, 0.01])
def test_looking_after_every_round_a_true_claim_is_refuted_as_rarely_as_promised(
    level: float,
) -> None:
    false = int((largest(CHANCES) >= 1 / level).sum())
    assert scipy.stats.binomtest(false, GROUPS, level, "greater").pvalue > 0.01


def test_the_mean_of_the_evidence_is_one_under_a_true_claim() -> None:
    events, counts = sums(CHANCES)
    first = claim_evidence(events[0], counts[0], CHANCES).e_values
    assert first.mean() == pytest.approx(1.0, abs=4 * first.std() / np.sqrt(GROUPS))


def test_only_knowing_the_mean_chance_of_a_bin_wins_no_more() -> None:
    """Chances spread evenly over a bin, claimed to be its middle."""
    rng = np.random.default_rng(2)
    spread = rng.uniform(0.0, 0.4, (GROUPS, 50))
    events = (rng.random(spread.shape) < spread).sum(axis=1)
    found = claim_evidence(events, np.full((GROUPS, 1), 50), [0.2]).e_values
    assert found.mean() < 1 + 4 * found.std() / np.sqrt(GROUPS)


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_groups_with_few_events_a_round_are_found(factor: float) -> None:
    assert np.mean(largest(CHANCES * factor) >= 20) > 0.9


def test_dispersion_weakens_evidence_and_widens_what_can_be_detected() -> None:
    alone, wide = (
        claim_evidence([90], [[400, 100]], [0.1, 0.2], dispersion=times) for times in (1.0, 4.0)
    )
    assert alone.e_values > wide.e_values > 1
    assert wide.minimum_detectable_effects == pytest.approx(2 * alone.minimum_detectable_effects)


def test_what_is_called_detectable_is_detected_more_often_than_not() -> None:
    counts = np.full((GROUPS, CHANCES.size), 150)
    detectable = claim_evidence(np.zeros(GROUPS), counts, CHANCES).minimum_detectable_effects[0]
    rng = np.random.default_rng(3)
    events = rng.binomial(counts, CHANCES * (1 + detectable)).sum(axis=1)
    assert np.mean(claim_evidence(events, counts, CHANCES).e_values >= 20) > 0.7


def test_without_anything_there_is_no_evidence() -> None:
    found = claim_evidence([0.0], np.zeros((1, 4)), CHANCES)
    assert found.e_values == found.p_values == 1
    assert found.effects == 0
    assert np.isinf(found.minimum_detectable_effects)


@pytest.mark.parametrize(
    "call",
    [
        lambda: claim_evidence([[1.0]], [[1.0] * 4], CHANCES),
        lambda: claim_evidence([1.0], [[1.0] * 3], CHANCES),
        lambda: claim_evidence([-1.0], [[1.0] * 4], CHANCES),
        lambda: claim_evidence([np.nan], [[1.0] * 4], CHANCES),
        lambda: claim_evidence([1.0], [[1.0] * 4], [0.0, 0.1, 0.2, 0.3]),
        lambda: claim_evidence([1.0], [[1.0] * 4], CHANCES, dispersion=0.5),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DetectorError):
        call()
