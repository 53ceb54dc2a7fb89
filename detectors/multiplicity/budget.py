"""The error budget of a product that runs for years: of its alarms, a known share is false.

What is promised. A discovery is the *first* alarm of a stream (one subject in one scope against one
reference); it is false if that stream had not changed by then. After it the stream is an open
matter and is not tested until it is armed again, with a new reference. `ErrorBudget` keeps the
expected share of false ones among all discoveries, at any round, at `level`.

Why not what is nearer at hand. Benjamini-Hochberg at 5% in every round keeps each round's promise
and breaks the year's: with changes few and rounds many, most of its rounds have no change, and 5%
of those alarm. Online procedures (LORD++, SAFFRON, ADDIS) ask that null p-values be independent of
earlier ones; evidence of the same stream in successive rounds shares a reference and a window.

How it is done. Every stream of round t is tested at one level, L_t / n_t, where L_t is LORD++'s
level of "test" t, with the rounds as the clock and the discoveries of earlier rounds as income:

    L_t = W0 g(t) + (alpha - W0) g(t - t_1) + alpha sum_{j >= 2} g(t - t_j),  sum of g = 1

Why it holds. Along any history the sum of L_s up to t is at most alpha max(1, R_t). Let stream i
be null, and take the history in which it is never found: its levels depend on the others alone,
equal the real ones as long as i is not found, and R is one less at least where it is. Hence

    E[1{i found falsely} / R_t] <= E[sum_s P(p_is <= L_s^(-i) / n) / (R_t^(-i) + 1)] <= alpha / n,

and the sum over n streams is alpha. Nothing was asked of how p-values of one stream depend on each
other; each must be uniform or larger in its round, and streams must not depend on each other. Where
the set of streams changes between rounds the same steps bound E[V_t] / E[max(R_t, 1)]. In-round
income is spent from the next round on, which is what makes levels of a round known before it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Self, TypeAlias

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import FloatArray, fraction
from detectors.errors import BadParameterError, ShapeError, SnapshotError
from detectors.multiplicity.online import spendable
from detectors.multiplicity.within_round import probabilities

Stream: TypeAlias = str | int


def round_spending(ages: FloatArray) -> FloatArray:
    """g(j) = j^-1.2 / zeta(1.2), j >= 1: slow enough that a quiet year leaves something to spend.

    A steeper power finds no more (a shift that lasts is tested again in the next round) and has
    spent nearly all of its level within 500 rounds; see `benchmarks.online_fdr`.
    """
    spent: FloatArray = ages**-1.2 / float(scipy.special.zeta(1.2))
    return spent


class ErrorBudget:
    """One false discovery rate over all streams and all rounds; see the module for the proof.

    `initial` is the wealth W0 before any discovery, half of the level unless told otherwise: the
    chance that a world without change ever alarms is at most that.

    >>> budget = ErrorBudget(0.05)
    >>> budget.judge([1e-7, 0.4], ["north/auc", "south/auc"]).tolist()
    [True, False]
    >>> budget.judge([1e-9, 0.4], ["north/auc", "south/auc"]).tolist()
    [False, False]
    >>> sorted(budget.alarmed)
    ['north/auc']

    Ramdas, Yang, Wainwright & Jordan (2017), NeurIPS 30 (LORD++ and its estimate of the false
    discovery proportion); Zrnic, Jiang, Ramdas & Jordan (2020), AISTATS, PMLR 108, 3806-3815
    (batches of tests).
    """

    def __init__(self, level: float, *, initial: float | None = None) -> None:
        self.level = fraction(level, "level")
        self.initial = level / 2 if initial is None else initial
        if not 0 < self.initial <= level:
            raise BadParameterError("initial", initial, "above 0 and at most the level")
        self._rounds = 0
        self._found: list[int] = []
        self._alarmed: set[Stream] = set()

    @property
    def rounds(self) -> int:
        """How many rounds were judged."""
        return self._rounds

    @property
    def discoveries(self) -> int:
        """How many first alarms there were so far."""
        return len(self._found)

    @property
    def alarmed(self) -> frozenset[Stream]:
        """The streams that have alarmed and were not armed again."""
        return frozenset(self._alarmed)

    def level_for(self, streams: int) -> float:
        """Return the level of each test of the next round, if it has so many streams."""
        if streams < 1:
            raise BadParameterError("streams", streams, "1 or more")
        clock, marks = np.array([self._rounds]), np.array(self._found, dtype=np.int64)
        wealth = spendable(round_spending, self.level, self.initial, clock, marks)
        return min(float(wealth[0]) / streams, self.level)

    def judge(self, p_values: ArrayLike, streams: Sequence[Stream]) -> NDArray[np.bool_]:
        """Judge a round: one p-value a stream, and return which streams alarm for the first time.

        A stream without evidence in this round is left out; one that has alarmed is never answered
        with True, and may be given or not. A round without p-values costs nothing. Raises
        ShapeError for another number of streams than of p-values, BadParameterError for a stream
        given twice or a p-value outside [0, 1], NotFiniteError. A refused round leaves no trace.
        """
        array = probabilities(p_values, "p_values")
        if array.size != len(streams):
            raise ShapeError("p_values", array.shape, f"({len(streams)},), one a stream")
        if len(set(streams)) != len(streams):
            raise BadParameterError("streams", "repeated", "each stream once a round")
        if array.size == 0:
            return np.zeros(0, dtype=np.bool_)
        below = np.flatnonzero(array <= self.level_for(array.size))
        new = [at for at in below.tolist() if streams[at] not in self._alarmed]
        self._rounds += 1
        self._found += [self._rounds] * len(new)
        self._alarmed.update(streams[position] for position in new)
        rejected = np.zeros(array.size, dtype=np.bool_)
        rejected[new] = True
        return rejected

    def rearm(self, streams: Iterable[Stream]) -> None:
        """Test these streams again, as new hypotheses: for when they have a new reference."""
        self._alarmed.difference_update(streams)

    def snapshot(self) -> bytes:
        """Write the state down; the same state gives the same bytes."""
        state = {
            "budget": {"level": self.level, "initial": self.initial},
            "rounds": self._rounds,
            "found": self._found,
            "alarmed": sorted(self._alarmed, key=lambda stream: (str(type(stream)), stream)),
        }
        return json.dumps(state, sort_keys=True).encode()

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """Read a state back; all answers to come are the same. SnapshotError if it is none."""
        try:
            state = json.loads(snapshot)
            budget = cls(**state["budget"])
            budget._rounds = int(state["rounds"])
            budget._found = [int(found) for found in state["found"]]
            budget._alarmed = set(state["alarmed"])
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise SnapshotError("it cannot be read") from error
        return budget
