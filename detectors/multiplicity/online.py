"""One error budget for tests that never end: LORD++, SAFFRON and ADDIS.

All three earn by discoveries and spend on tests. The level of the t-th test is

    alpha_t = min(cap, scale * L_t),
    L_t = W0 g(1 + c) + (alpha - W0) g(1 + c - c_1) + alpha sum_{j >= 2} g(1 + c - c_j)

where g sums to 1, c counts the charged tests before t and c_j those up to discovery j. They differ
in which tests are charged (all; p-values above lambda; those above lambda that are not above tau),
and in scale and cap.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, fraction
from detectors.errors import BadParameterError, SnapshotError
from detectors.multiplicity.within_round import probabilities

CHUNK = 512
LORD_CONSTANT = 0.07720838  # makes lord_spending sum to 1 (Javanmard & Montanari 2018)


def lord_spending(ages: FloatArray) -> FloatArray:
    """g(j) = 0.0772 log(max(j, 2)) / (j exp(sqrt(log j))), j >= 1: slow, for a long run."""
    later = ages * np.exp(np.sqrt(np.log(ages)))
    spent: FloatArray = LORD_CONSTANT * np.log(np.maximum(ages, 2.0)) / later
    return spent


def power_spending(ages: FloatArray) -> FloatArray:
    """g(j) = j^-1.6 / zeta(1.6), j >= 1: fast, for tests in close succession."""
    spent: FloatArray = ages**-1.6 / float(scipy.special.zeta(1.6))
    return spent


def spendable(
    spending: Callable[[FloatArray], FloatArray],
    level: float,
    initial: float,
    clocks: NDArray[np.int64],
    marks: NDArray[np.int64],
) -> FloatArray:
    """Return what may be spent at each clock: W0 g(1 + c) and, a discovery, alpha g(1 + c - c_j).

    `marks` are the clocks right after each discovery; the first of them earns alpha - W0 alone.
    """
    after = clocks.astype(np.float64) + 1
    wealth = initial * spending(after)
    if not marks.size:
        return wealth
    earned = spending(after - marks[:, np.newaxis])
    return np.asarray(wealth + level * earned.sum(axis=0) - initial * earned[0])


class OnlineFdr(ABC):
    """Tests one stream of hypotheses, a round at a time, at a false discovery rate of `level`.

    `judge` takes a round's p-values as the next ones of the stream, in the order given, and says
    which are discoveries; the answer is the same for one call or many. FDR <= level at every time
    if the null p-values are independent of each other and of the others, and uniform or larger;
    mFDR = E[V] / E[max(R, 1)] <= level if they are so given all that came before. Tests of one
    stream in successive rounds that share their data are neither: see `ErrorBudget`.

    `initial` is the wealth W0 at the start, half the level unless told otherwise. The state is one
    count and one number a discovery.
    """

    NAME: ClassVar[str]

    def __init__(self, level: float, *, initial: float | None = None) -> None:
        self.level = fraction(level, "level")
        self.initial = level / 2 if initial is None else initial
        if not 0 < self.initial <= level:
            raise BadParameterError("initial", initial, "above 0 and at most the level")
        self._charged = 0
        self._marks: list[int] = []

    @property
    def discoveries(self) -> int:
        """How many hypotheses were rejected so far."""
        return len(self._marks)

    @property
    def next_level(self) -> float:
        """What the p-value of the next test may be at most."""
        return float(self._levels(np.array([self._charged]))[0])

    def judge(self, p_values: ArrayLike) -> NDArray[np.bool_]:
        """Return which of a round's p-values, in their order, are discoveries.

        Raises NotFiniteError, ShapeError, and BadParameterError for one outside [0, 1].
        """
        array = probabilities(p_values, "p_values")
        rejected = np.zeros(array.size, dtype=np.bool_)
        position = 0
        while position < array.size:
            chunk = array[position : position + CHUNK]
            taken, found = self._take(chunk)
            rejected[position + taken - 1] = found
            position += taken
        return rejected

    def snapshot(self) -> bytes:
        """Write the state down; the same state gives the same bytes."""
        state = {
            "procedure": self.NAME,
            "parameters": self._parameters(),
            "charged": self._charged,
            "marks": self._marks,
        }
        return json.dumps(state, sort_keys=True).encode()

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """Read a state back; all answers to come are the same. SnapshotError if it is none."""
        try:
            state = json.loads(snapshot)
            if state["procedure"] != cls.NAME:
                raise SnapshotError(f"it is of {state['procedure']!r}, not of {cls.NAME!r}")
            restored = cls(**state["parameters"])
            restored._charged = int(state["charged"])
            restored._marks = [int(mark) for mark in state["marks"]]
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise SnapshotError("it cannot be read") from error
        return restored

    def _take(self, chunk: FloatArray) -> tuple[int, bool]:
        """Test up to the first discovery: how many were tested, and whether it was one."""
        ticks = self._charges(chunk).astype(np.int64)
        clocks = self._charged + np.concatenate(([0], np.cumsum(ticks)[:-1]))
        below = np.flatnonzero(chunk <= self._levels(clocks))
        taken = int(below[0]) + 1 if below.size else chunk.size
        self._charged += int(ticks[:taken].sum())
        if below.size:
            self._marks.append(self._charged)
        return taken, bool(below.size)

    def _levels(self, clocks: NDArray[np.int64]) -> FloatArray:
        """Return the levels of tests before which so many were charged, at today's discoveries."""
        marks = np.array(self._marks, dtype=np.int64)
        wealth = spendable(self._spending, self.level, self.initial, clocks, marks)
        scale, cap = self._scale()
        return np.minimum(cap, scale * wealth)

    def _parameters(self) -> dict[str, float]:
        return {"level": self.level, "initial": self.initial}

    @abstractmethod
    def _charges(self, p_values: FloatArray) -> NDArray[np.bool_]:
        """Return which tests are charged."""

    @abstractmethod
    def _scale(self) -> tuple[float, float]:
        """Return the scale and the cap."""

    @staticmethod
    @abstractmethod
    def _spending(ages: FloatArray) -> FloatArray:
        """Return g at ages of 1 and more."""


class LordPlusPlus(OnlineFdr):
    """LORD++: every test is charged; scale 1, no cap.

    >>> procedure = LordPlusPlus(0.05)
    >>> procedure.judge([1e-6, 0.2, 0.01]).tolist()
    [True, False, False]

    Ramdas, Yang, Wainwright & Jordan (2017), NeurIPS 30, equation 11; spending of Javanmard &
    Montanari (2018), Ann. Stat. 46, 526-554.
    """

    NAME = "lord++"
    _spending = staticmethod(lord_spending)

    def _charges(self, p_values: FloatArray) -> NDArray[np.bool_]:
        return np.ones(p_values.size, dtype=np.bool_)

    def _scale(self) -> tuple[float, float]:
        return 1.0, 1.0


class Saffron(OnlineFdr):
    """SAFFRON: p-values up to lambda are candidates and cost nothing; scale 1 - lambda, cap lambda.

    It gains over LORD++ where many hypotheses are false, by estimating their share as Storey does.

    Ramdas, Zrnic, Wainwright & Jordan (2018), ICML, PMLR 80, 4286-4294, section 2.3.
    """

    NAME = "saffron"
    _spending = staticmethod(power_spending)

    def __init__(
        self, level: float, *, initial: float | None = None, candidate: float = 0.5
    ) -> None:
        super().__init__(level, initial=initial)
        self.candidate = fraction(candidate, "candidate")

    def _parameters(self) -> dict[str, float]:
        return super()._parameters() | {"candidate": self.candidate}

    def _charges(self, p_values: FloatArray) -> NDArray[np.bool_]:
        return p_values > self.candidate

    def _scale(self) -> tuple[float, float]:
        return 1 - self.candidate, self.candidate


class Addis(OnlineFdr):
    """ADDIS: as SAFFRON, and p-values above tau are discarded; scale tau - lambda, cap lambda.

    It gains where null p-values are larger than uniform ones: discarded, they cost nothing.
    `discard` is tau, `candidate` lambda below it.

    Tian & Ramdas (2019), NeurIPS 32, equation 8.
    """

    NAME = "addis"
    _spending = staticmethod(power_spending)

    def __init__(
        self,
        level: float,
        *,
        initial: float | None = None,
        candidate: float = 0.25,
        discard: float = 0.5,
    ) -> None:
        super().__init__(level, initial=initial)
        if not 0 < candidate < discard <= 1:
            raise BadParameterError("candidate, discard", (candidate, discard), "0 < l < t <= 1")
        self.candidate, self.discard = candidate, discard

    def _parameters(self) -> dict[str, float]:
        return super()._parameters() | {"candidate": self.candidate, "discard": self.discard}

    def _charges(self, p_values: FloatArray) -> NDArray[np.bool_]:
        return (p_values > self.candidate) & (p_values <= self.discard)

    def _scale(self) -> tuple[float, float]:
        return self.discard - self.candidate, self.candidate
