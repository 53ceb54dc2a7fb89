"""Why the model decides as it does: drift of SHAP or permutation importances.

A client sends, for each feature, the sum of |SHAP| (or of the loss that permuting it costs) over
its examples, and their number. Its vector of importances, as shares, is one observation, and the
test asks whether these vectors lie elsewhere now than in the reference rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, fraction, matrix
from detectors.errors import TooLargeError
from detectors.result import SUBJECT, TwoSampleResult
from detectors.subjects.batches import (
    TIE,
    Batches,
    adjusted_p_values,
    arrange,
    names_of,
    p_value,
)

NAME = "importance"
MEMORY_LIMIT = 1_000_000_000


@dataclass(frozen=True)
class MovedFeature:
    """A feature's share of all importance: before, and its mean change over vectors.

    `p_adjusted` is two-sided, the family-wise error over features kept.
    """

    name: str
    share: float
    change: float
    p_adjusted: float


@dataclass(frozen=True)
class ImportanceDrift:
    """Whether the reasons moved, whether their order did, and which (surest first).

    `test` is that of the energy distance (dcor's, squared) between vectors of shares;
    `moved_share` the share of importance that changed feature (total variation). `kendall` is
    tau-b between the mean vectors, `kendall_top` the same with weight on the top ranks (Vigna
    2015): 1 where the order held, None where a side gives all features the same importance.
    """

    test: TwoSampleResult
    moved_share: float
    kendall: float | None
    kendall_top: float | None
    features: tuple[MovedFeature, ...]


def importance_shares(sums: ArrayLike) -> FloatArray:
    """Turn rows of mergeable sums, (vectors, features), into shares of the row's total magnitude.

    The number of examples cancels. Negative importances keep their sign; a row of zeros stays one.

    >>> importance_shares([[3.0, 1.0], [-1.0, 1.0]]).tolist()
    [[0.75, 0.25], [-0.5, 0.5]]
    """
    array = matrix(sums, "sums")
    total = np.abs(array).sum(axis=1, keepdims=True)
    return np.asarray(array / np.where(total > 0, total, 1.0), dtype=np.float64)


def importance_drift(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_clients: Sequence[str] | None = None,
    current_clients: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    permutations: int = 999,
    seed: int = 0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> ImportanceDrift:
    """Compare importance vectors, (n, d) against (m, d), one a client and round.

    The vectors are sums or means; only their shares count. With the client of every vector given,
    each client is compared with itself and those on one side only stay out; without, vectors count
    as independent. `statistic` and `effect` are dcor's energy distance (squared) of the vectors,
    centred by client where these are given, with a p-value by label permutation within clients.
    The minimum detectable effect is (sqrt(q_alpha) + sqrt(q_power))^2 with the null's quantiles,
    as for `energy_multivariate`.
    Raises what `domain_classifier` raises, and TooLargeError above 1 GB of distances.

    Szekely & Rizzo (2013), J. Stat. Plan. Inference 143, 1249-1272.
    """
    level, wanted = fraction(alpha, "alpha"), fraction(power, "power")
    before, after = importance_shares(reference), importance_shares(current)
    batches = arrange(before, after, reference_clients, current_clients, seed)
    labels = batches.permuted(permutations, seed)
    named = names_of(names, before.shape[1])
    changes = batches.vectors.T @ _contrasts(labels)
    return ImportanceDrift(
        test=_result(_energies(batches.vectors, labels), batches, level, wanted),
        moved_share=float(np.abs(changes[:, 0]).sum()) / 2,
        kendall=_kendall(before, after),
        kendall_top=_kendall_top(before, after),
        features=_moved(named, before.mean(axis=0), changes),
    )


def _result(energies: FloatArray, batches: Batches, alpha: float, power: float) -> TwoSampleResult:
    observed, null = float(energies[0]), energies[1:]
    before, after = batches.sizes
    return TwoSampleResult(
        detector=NAME,
        statistic=observed,
        p_value=p_value(null, observed),
        effect=observed,
        effect_unit=SUBJECT,
        minimum_detectable_effect=float(np.sqrt(np.quantile(null, (1 - alpha, power))).sum() ** 2),
        n_reference=float(before.sum()),
        n_current=float(after.sum()),
    )


def _contrasts(labels: NDArray[np.bool_]) -> FloatArray:
    """Return weights, columns of 1 / m at current rows and -1 / n at the others."""
    return np.asarray(labels / labels.sum(axis=0) - ~labels / (~labels).sum(axis=0))


def _energies(vectors: FloatArray, labels: NDArray[np.bool_]) -> FloatArray:
    """Return -s' D s for every column s of contrasts."""
    needed = 8 * len(vectors) * (len(vectors) + 2 * labels.shape[1])
    if needed > MEMORY_LIMIT:
        raise TooLargeError(NAME, needed, MEMORY_LIMIT)
    distances = scipy.spatial.distance.cdist(vectors, vectors)
    contrasts = _contrasts(labels)
    energy = -np.einsum("ib,ib->b", contrasts, distances @ contrasts)
    return np.asarray(np.where(energy > TIE * distances.max(), energy, 0.0), dtype=np.float64)


def _kendall(before: FloatArray, after: FloatArray) -> float | None:
    return _or_none(scipy.stats.kendalltau(before.mean(axis=0), after.mean(axis=0)).statistic)


def _kendall_top(before: FloatArray, after: FloatArray) -> float | None:
    return _or_none(scipy.stats.weightedtau(before.mean(axis=0), after.mean(axis=0)).statistic)


def _or_none(correlation: float) -> float | None:
    return float(correlation) if np.isfinite(correlation) else None


def _moved(
    names: tuple[str, ...], shares: FloatArray, changes: FloatArray
) -> tuple[MovedFeature, ...]:
    rows = zip(names, shares, changes[:, 0], adjusted_p_values(changes), strict=True)
    moved = [MovedFeature(n, float(s), float(c), float(p)) for n, s, c, p in rows]
    return tuple(sorted(moved, key=lambda each: (each.p_adjusted, -abs(each.change))))
