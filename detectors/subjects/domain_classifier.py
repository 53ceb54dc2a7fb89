"""Which batch did this summary come from? If a classifier can tell, something moved.

The classifier is a linear discriminant of each component's normal score and of its square, so that
it sees shifts of mean and of scale in any combination, and no outlier and no monotone change of a
component's unit matters. It is fitted on some clients and asked about others, so its AUC flatters
nobody. Its covariance is that of both batches together, which points the discriminant the same way
(Fisher 1936) and does not depend on labels: a thousand permuted fits are a few matrix products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
import scipy.special
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, fraction
from detectors.result import PROBABILITY, TwoSampleResult
from detectors.subjects.batches import (
    FOLDS,
    Batches,
    adjusted_p_values,
    arrange,
    names_of,
    p_value,
)

NAME = "domain-classifier"
_CHANCE = 0.5
_SMALLEST = 1e-12


@dataclass(frozen=True)
class FeatureEvidence:
    """What one component tells.

    `auc` is that of the component alone, nothing fitted: above 0.5 it is larger now than before.
    `p_adjusted` is its two-sided p-value, the family-wise error over components kept. `drop` is
    what the classifier's AUC loses without the component: little where others say the same.
    """

    name: str
    auc: float
    p_adjusted: float
    drop: float


@dataclass(frozen=True)
class DomainClassification:
    """Whether batches can be told apart, how well, and by which components (strongest first).

    `test` has the cross-validated AUC as its statistic and AUC - 0.5 as its effect. `low` and
    `high` bound the AUC at 1 - alpha: over clients by Student's t, over samples by DeLong.
    """

    test: TwoSampleResult
    low: float
    high: float
    features: tuple[FeatureEvidence, ...]

    @property
    def auc(self) -> float:
        """The chance that a current vector is ranked above a reference one."""
        return self.test.statistic


def domain_classifier(
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
) -> DomainClassification:
    """Try to tell the vectors of `current`, (m, d), from those of `reference`, (n, d).

    A vector is what one client reported in one round: rates, histogram shares, metrics. With the
    client of every vector given, comparisons are made within clients only, folds keep clients
    together, and clients on one side only stay out; the AUC is the mean over clients. Without,
    vectors count as independent. The p-value is one-sided (an AUC as large) by label permutation
    within clients (folds), the classifier fitted anew each time: exact where a client's own rounds
    are exchangeable. A drift common to all clients in one round's weather is drift to this test.
    The minimum detectable effect, AUC - 0.5, is the null's critical value plus z_power of its sds;
    above 0.5 nothing can be found. Raises TooFewError under 4 clients on both sides or 5 vectors a
    side, ShapeError, EmptySampleError, NotFiniteError, OutOfRangeError, BadParameterError.

    >>> rng = np.random.default_rng(0)
    >>> result = domain_classifier(rng.normal(size=(50, 3)), rng.normal([2, 0, 0], size=(50, 3)))
    >>> result.auc > 0.85, result.features[0].name
    (True, '0')

    Lopez-Paz & Oquab (2017), ICLR; DeLong et al. (1988), Biometrics 44, 837-845.
    """
    level, wanted = fraction(alpha, "alpha"), fraction(power, "power")
    batches = arrange(reference, current, reference_clients, current_clients, seed)
    labels = batches.permuted(permutations, seed)
    normal = _normal_scores(batches.vectors)
    named = names_of(names, normal.shape[1])
    folds = _folds(batches, seed)
    aucs, scores = _cross_validated(batches, normal, folds, labels)
    low, high = _interval(batches, scores, float(aucs[0]), level)
    return DomainClassification(
        test=_result(aucs, batches, level, wanted),
        low=low,
        high=high,
        features=_evidence(batches, normal, folds, labels, named),
    )


def _result(aucs: FloatArray, batches: Batches, alpha: float, power: float) -> TwoSampleResult:
    null = aucs[1:]
    beyond = float(scipy.special.ndtri(power)) * float(null.std())
    before, after = batches.sizes
    return TwoSampleResult(
        detector=NAME,
        statistic=float(aucs[0]),
        p_value=p_value(null, float(aucs[0])),
        effect=float(aucs[0]) - _CHANCE,
        effect_unit=PROBABILITY,
        minimum_detectable_effect=float(np.quantile(null, 1 - alpha)) - _CHANCE + beyond,
        n_reference=float(before.sum()),
        n_current=float(after.sum()),
    )


def _normal_scores(vectors: FloatArray) -> FloatArray:
    ranks = scipy.stats.rankdata(vectors, axis=0)
    return np.asarray(scipy.special.ndtri((ranks - 0.5) / len(vectors)), dtype=np.float64)


def _folds(batches: Batches, seed: int) -> NDArray[np.int64]:
    """Return the fold of every row: whole clients dealt at random, or the blocks themselves."""
    if not batches.by_client:
        return batches.blocks
    clients = int(batches.blocks[-1]) + 1
    dealt = np.random.default_rng(seed).permutation(np.arange(clients) % min(FOLDS, clients))
    return np.asarray(dealt[batches.blocks], dtype=np.int64)


def _cross_validated(
    batches: Batches, normal: FloatArray, folds: NDArray[np.int64], labels: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Return the AUC under each column of labels, and the held-out scores under the first."""
    features = _with_squares(normal)
    scores = np.empty(labels.shape)
    for fold in np.unique(folds):
        held = folds == fold
        scores[held] = features[held] @ _discriminants(features[~held], labels[~held])
    scores = np.round(scores / max(float(np.abs(scores).max()), _SMALLEST), 12)
    return batches.auc(batches.ranks(scores), labels), scores[:, 0]


def _with_squares(normal: FloatArray) -> FloatArray:
    features = np.concatenate((normal, normal**2), axis=1)
    features = features - features.mean(axis=0)
    return np.asarray(features / np.maximum(features.std(axis=0), _SMALLEST), dtype=np.float64)


def _discriminants(features: FloatArray, labels: NDArray[np.bool_]) -> FloatArray:
    """Return the direction S^-1 (mean now - mean before) for each column of labels."""
    contrast = labels / labels.sum(axis=0) - ~labels / (~labels).sum(axis=0)
    return np.asarray(np.linalg.solve(_shrunk_covariance(features), features.T @ contrast))


def _shrunk_covariance(features: FloatArray) -> FloatArray:
    """Shrink towards the identity by the oracle-approximating amount.

    Chen, Wiesel, Eldar & Hero (2010), IEEE Trans. Signal Process. 58, 5016-5029, equation 23.
    """
    n, dim = features.shape
    covariance = np.cov(features, rowvar=False, bias=True).reshape(dim, dim)
    trace, square = float(np.trace(covariance)), float(np.sum(covariance**2))
    numerator = (1 - 2 / dim) * square + trace**2
    denominator = (n + 1 - 2 / dim) * (square - trace**2 / dim)
    amount = min(1.0, numerator / denominator) if denominator > 0 else 1.0
    scale = max(trace / dim, _SMALLEST)
    return np.asarray((1 - amount) * covariance + amount * scale * np.eye(dim))


def _evidence(
    batches: Batches,
    normal: FloatArray,
    folds: NDArray[np.int64],
    labels: NDArray[np.bool_],
    names: tuple[str, ...],
) -> tuple[FeatureEvidence, ...]:
    alone = batches.auc_of_columns(batches.ranks(batches.vectors), labels)
    adjusted = adjusted_p_values(alone)
    drops = _drops(batches, normal, folds)
    rows = zip(names, alone[:, 0], adjusted, drops, strict=True)
    evidence = [FeatureEvidence(n, float(a), float(p), float(d)) for n, a, p, d in rows]
    return tuple(sorted(evidence, key=lambda each: (each.p_adjusted, -abs(each.auc - _CHANCE))))


def _drops(batches: Batches, normal: FloatArray, folds: NDArray[np.int64]) -> list[float]:
    """Return what the AUC loses without each component in turn; all of it without the only one."""
    observed = batches.current[:, np.newaxis]
    full = float(_cross_validated(batches, normal, folds, observed)[0][0])
    dim = normal.shape[1]
    if dim == 1:
        return [full - _CHANCE]
    without = (np.delete(normal, position, axis=1) for position in range(dim))
    return [
        full - float(_cross_validated(batches, rest, folds, observed)[0][0]) for rest in without
    ]


def _interval(
    batches: Batches, scores: FloatArray, auc: float, alpha: float
) -> tuple[float, float]:
    placed = [
        _placements(scores[rows][~now], scores[rows][now])
        for rows in batches.slices
        for now in (batches.current[rows],)
    ]
    count = len(placed)
    if batches.by_client:
        error = float(np.std([before.mean() for before, _ in placed], ddof=1)) / count**0.5
        half = float(scipy.special.stdtrit(count - 1, 1 - alpha / 2)) * error
    else:
        variances = [_delong(*parts) for parts in placed]
        half = float(scipy.special.ndtri(1 - alpha / 2)) * float(np.sum(variances)) ** 0.5 / count
    return max(auc - half, 0.0), min(auc + half, 1.0)


def _placements(before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the share of `after` above each of `before`, and of `before` below each of `after`."""
    wins = (after > before[:, np.newaxis]) + (after == before[:, np.newaxis]) / 2
    return wins.mean(axis=1), wins.mean(axis=0)


def _delong(before: FloatArray, after: FloatArray) -> float:
    """Return DeLong's variance of an AUC from placements; of one value a side it takes 1 / 4."""
    return sum(
        float(each.var(ddof=1)) / each.size if each.size > 1 else _CHANCE**2
        for each in (before, after)
    )
