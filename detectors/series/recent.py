"""A round's evidence that a stream has shifted lately: one p-value from windows that end now."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from detectors.arrays import FloatArray, finite
from detectors.errors import BadParameterError, EmptySampleError, ShapeError
from detectors.series.whitening import Baseline, SeriesScores, scores_from_tails

# Five rounds carry the evidence that finds a lasting shift; one and three hurry with large ones.
WINDOWS: Mapping[int, float] = MappingProxyType({1: 0.1, 3: 0.3, 5: 0.6})


def recent_shift(
    baseline: Baseline,
    latest: ArrayLike,
    *,
    start: int = 0,
    windows: Mapping[int, float] = WINDOWS,
) -> SeriesScores:
    """Test for a shift within the latest rounds, (rounds, streams), that lasts until now.

    `windows` gives window lengths in rounds, each with its share of the error, adding to at most 1:
    the p-value is the least of p_w / share_w (weighted Bonferroni), so it is valid in every round
    however windows overlap, which is what `ErrorBudget` asks for. Windows longer than what is there
    are left out. The round before a window, where it is there, is used to whiten its first one.
    `start` says how many rounds lie between the reference and the first of the latest. `effect` is
    the shift in the window that decided. Raises what `Baseline.judge` does, EmptySampleError, and
    BadParameterError for windows or shares out of range.

    Genovese, Roeder & Wasserman (2006), Biometrika 93, 509-524 (weights).
    """
    rounds = _rounds(latest, baseline.streams)
    _check_windows(windows)
    scores = [
        (_window_scores(baseline, rounds, width, start), share)
        for width, share in windows.items()
        if width <= rounds.shape[0]
    ]
    if not scores:
        raise BadParameterError("windows", dict(windows), f"one of up to {rounds.shape[0]} rounds")
    adjusted = np.array([score.p_values / share for score, share in scores])
    best = np.argmin(adjusted, axis=0)[np.newaxis]
    tail = np.minimum(np.take_along_axis(adjusted, best, axis=0)[0], 1.0) / 2
    z = np.take_along_axis(np.array([score.z for score, _ in scores]), best, axis=0)[0]
    effects = np.array([score.effect for score, _ in scores])
    effect = np.take_along_axis(effects, best, axis=0)[0]
    return scores_from_tails(np.where(z < 0, tail, 1.0), np.where(z < 0, 1.0, tail), effect)


def _window_scores(baseline: Baseline, rounds: FloatArray, width: int, start: int) -> SeriesScores:
    first = rounds.shape[0] - width
    previous = rounds[first - 1] if first else None
    return baseline.judge(rounds[first:], previous=previous, start=start + first)


def _rounds(latest: ArrayLike, streams: int) -> FloatArray:
    array = finite(latest, "latest")
    if array.ndim == 1 and streams == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] != streams:  # noqa: PLR2004 - rounds by streams
        raise ShapeError("latest", array.shape, f"(rounds, {streams})")
    if array.shape[0] == 0:
        raise EmptySampleError("latest")
    return array


def _check_windows(windows: Mapping[int, float]) -> None:
    shares = np.array(list(windows.values()), dtype=np.float64)
    fits = len(windows) > 0 and min(windows) >= 1 and bool((shares > 0).all())
    if not fits or shares.sum() > 1 + 1e-12:
        raise BadParameterError("windows", dict(windows), "lengths >= 1, shares adding to <= 1")
