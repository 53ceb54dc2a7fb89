"""What kind of drift a series shows: six small models, and how probable each is given the rounds.

The series is standardised: 0 is the reference, and a round's noise has the variance 1 (that is
what `Standardiser.score` gives, or an effect over its standard error). With an effect d that is
Gaussian around 0 beforehand, the models of the mean are

    none         0 throughout
    abrupt       0, then d
    incremental  0, then rising evenly over three rounds or more, then d
    gradual      each round is 0 or d, and d more and more often over three rounds or more
    recurring    0, then d for 2 to 16 rounds, then 0 again, once or in turns as long
    outlier      d in a single round

Each is weighted by its marginal likelihood: the average over d, over when it began and how long it
took, all equally likely. So a model with more freedom has to earn it, and a few rounds change
little: a jump in the newest round is as probably an outlier as an abrupt drift, and a drift that
has lasted for three rounds may yet turn out to return.

Kass & Raftery (1995), J. Am. Stat. Assoc. 90, 773-795; kinds as in Gama et al. (2014), ACM
Computing Surveys 46, 44.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, sample
from detectors.diagnosis.onset import Onset, onset_of
from detectors.errors import BadParameterError

EFFECT_SD = 4.0  # standardised effects of a drift worth a name: most within 8 either way
MOST_ROUNDS = 300
_TRANSITIONS = (3, 4, 6, 8, 12, 16, 24, 32)  # rounds that a transition may take
_TURNS = tuple(range(2, 17))  # rounds that a regime may last that comes and goes
_EFFECTS = EFFECT_SD * np.linspace(-4.0, 4.0, 201)  # that a gradual drift is averaged over
_EFFECT_WEIGHTS = np.exp(-((_EFFECTS / EFFECT_SD) ** 2) / 2)


class Kind(StrEnum):
    """How a series moved."""

    NONE = "none"
    ABRUPT = "abrupt"
    INCREMENTAL = "incremental"
    GRADUAL = "gradual"
    RECURRING = "recurring"
    OUTLIER = "outlier"


@dataclass(frozen=True)
class Diagnosis:
    """A probability for each kind, adding to one.

    `onset` and `effect` (standardised: its posterior mean) are those given that something moved;
    `kind` is the most probable one.
    """

    probabilities: dict[Kind, float]
    onset: Onset
    effect: float

    @property
    def kind(self) -> Kind:
        """The most probable kind."""
        return max(self.probabilities, key=lambda kind: self.probabilities[kind])


def kind_of_drift(
    series: ArrayLike, *, prior: Mapping[Kind, float] | None = None, coverage: float = 0.9
) -> Diagnosis:
    """Judge a standardised series, oldest round first, 1 to 300 rounds.

    `prior` gives each kind's weight beforehand, equal ones without it; kinds that are left out
    are ruled out. Autocorrelated rounds have to be whitened before. Raises EmptySampleError,
    ShapeError, NotFiniteError, OutOfRangeError, BadParameterError.

    >>> kind_of_drift([0.3, -0.8, 0.1, 0.9, -0.2, 5.1, 6.3, 4.9, 5.8, 5.2, 6.1]).kind.value
    'abrupt'
    """
    values = sample(series, "series")
    if values.size > MOST_ROUNDS:
        raise BadParameterError(
            "series", f"{values.size} rounds", f"at most {MOST_ROUNDS}: take the newest"
        )
    weights = _prior(prior)
    models = {kind: model(values) for kind, model in _MODELS.items()}
    logs = np.array([np.log(weights[kind]) + models[kind].log_evidence for kind in weights])
    posterior = np.exp(logs - _log_of_sum(logs))
    probabilities = dict.fromkeys(Kind, 0.0)
    probabilities |= dict(zip(weights, map(float, posterior), strict=True))
    moved: dict[Kind, float] = {**probabilities}
    del moved[Kind.NONE]
    return Diagnosis(
        probabilities,
        onset_of(_mixed(moved, {kind: model.onsets for kind, model in models.items()}), coverage),
        float(_mixed(moved, {kind: np.array([m.effect]) for kind, m in models.items()})[0]),
    )


@dataclass(frozen=True, eq=False)
class _Model:
    """A kind's log evidence against none, the posterior of its onset, its posterior mean effect."""

    log_evidence: float
    onsets: FloatArray
    effect: float


def _none(values: FloatArray) -> _Model:
    return _Model(0.0, np.zeros(values.size), 0.0)


def _abrupt(values: FloatArray) -> _Model:
    return _linear(values, (_age(values.size) >= 0)[:, np.newaxis])


def _incremental(values: FloatArray) -> _Model:
    reached = (_age(values.size)[:, np.newaxis] + 1) / (np.array(_TRANSITIONS)[:, np.newaxis] + 1)
    return _linear(values, np.clip(reached, 0.0, 1.0))


def _recurring(values: FloatArray) -> _Model:
    age, turn = _age(values.size)[:, np.newaxis], np.array(_TURNS)[:, np.newaxis]
    once = (age >= 0) & (age < turn)
    in_turns = (age >= 0) & (age // turn % 2 == 0)
    return _linear(values, np.concatenate((once, in_turns), axis=1))


def _outlier(values: FloatArray) -> _Model:
    return _linear(values, (_age(values.size) == 0)[:, np.newaxis])


def _gradual(values: FloatArray) -> _Model:
    """Average over effects on a grid: a round is in the new state with a growing probability."""
    gain = values[:, np.newaxis] * _EFFECTS - _EFFECTS**2 / 2  # log likelihood of d against 0
    after = np.concatenate((np.cumsum(gain[::-1], axis=0)[::-1], np.zeros((1, _EFFECTS.size))))
    logs = np.stack([*_through(gain, after)], axis=1)
    logs = logs + np.log(_EFFECT_WEIGHTS / _EFFECT_WEIGHTS.sum())
    total = _log_of_sum(logs)
    posterior = np.exp(logs - total)
    effect = float(posterior.sum(axis=(0, 1)) @ _EFFECTS)
    evidence = total - np.log(logs.shape[0] * logs.shape[1])
    return _Model(evidence, posterior.sum(axis=(1, 2)), effect)


def _through(gain: FloatArray, after: FloatArray) -> Iterator[FloatArray]:
    """Yield log likelihoods (onset, effect) of a transition of each length, from each round on.

    A round's likelihood is (1 - share) + share * exp(gain). With the larger of 1 and exp(gain)
    taken out, no product of as many as 32 rounds is too small for a float64, and one logarithm is
    taken of it.
    """
    rounds = len(gain)
    larger = np.maximum(gain, 0.0)
    old, new = np.exp(-larger), np.exp(gain - larger)
    taken_out = np.concatenate((np.zeros((1, gain.shape[1])), np.cumsum(larger, axis=0)))
    for length in _TRANSITIONS:
        product = np.ones_like(gain)
        for step in range(min(length, rounds)):
            share = (step + 1) / (length + 1)
            product[: rounds - step] *= (1 - share) * old[step:] + share * new[step:]
        end = np.minimum(np.arange(rounds) + length, rounds)
        yield after[end] + taken_out[end] - taken_out[:-1] + np.log(product)


def _log_of_sum(logs: FloatArray) -> float:
    """The logarithm of the sum of finite numbers that are given by theirs.

    `scipy.special.logsumexp` is for arrays of any kind, and takes twenty times as long for few.
    """
    largest = float(logs.max())
    return largest + float(np.log(np.exp(logs - largest).sum()))


def _age(rounds: int) -> FloatArray:
    """How many rounds ago the change began, negative before it: [onset, round]."""
    return np.subtract.outer(np.arange(rounds), np.arange(rounds)).T.astype(np.float64)


def _linear(values: FloatArray, shapes: NDArray[np.bool_] | FloatArray) -> _Model:
    """Judge means d * shape, for shapes [onset, form, round], d being Gaussian beforehand.

    With a shape u, log evidence = (u'y)^2 v / 2 - log(1 + EFFECT_SD^2 u'u) / 2, where
    v = EFFECT_SD^2 / (1 + EFFECT_SD^2 u'u) is the variance of d given the rounds, and v u'y its
    mean.
    """
    forms = shapes.astype(np.float64)
    product, square = forms @ values, (forms**2).sum(axis=-1)
    variance = EFFECT_SD**2 / (1 + EFFECT_SD**2 * square)
    logs = product**2 * variance / 2 - np.log1p(EFFECT_SD**2 * square) / 2
    total = _log_of_sum(logs)
    posterior = np.exp(logs - total)
    effect = float((posterior * variance * product).sum())
    return _Model(total - float(np.log(logs.size)), posterior.sum(axis=-1), effect)


_MODELS = {
    Kind.NONE: _none,
    Kind.ABRUPT: _abrupt,
    Kind.INCREMENTAL: _incremental,
    Kind.GRADUAL: _gradual,
    Kind.RECURRING: _recurring,
    Kind.OUTLIER: _outlier,
}


def _prior(prior: Mapping[Kind, float] | None) -> dict[Kind, float]:
    weights = dict.fromkeys(Kind, 1.0) if prior is None else dict(prior)
    usable = all(np.isfinite(weight) and weight >= 0 for weight in weights.values())
    drifts = [kind for kind, weight in weights.items() if kind is not Kind.NONE and weight > 0]
    if not usable or not drifts:
        raise BadParameterError("prior", prior, "weights of zero or more, and a drift's above 0")
    return {kind: weight for kind, weight in weights.items() if weight > 0}


def _mixed(weights: Mapping[Kind, float], parts: Mapping[Kind, FloatArray]) -> FloatArray:
    """Average the kinds' answers given that one of them is true, their weights being relative."""
    total = sum(weights.values()) or 1.0
    shares = [weight / total * parts[kind] for kind, weight in weights.items()]
    return np.asarray(np.sum(shares, axis=0), dtype=np.float64)
