"""One error budget over 500 rounds of 10,000 streams: what share of alarms is false, what is found.

`python -m benchmarks.online_fdr --json`

Each stream is a metric of mean 0.8 and standard deviation 0.02; 2% of them shift by three standard
deviations, up or down, at a random round, and stay there. Mean and spread are estimated from
reference rounds before. A *discovery* is the first alarm of a stream, false if it comes before the
stream's onset or the stream has none; counted a second way, every round that a stream spends
alarmed is one. "Within 5 rounds" is an alarm at most five rounds after the onset's own; "in the
first 5 rounds" is stricter by one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import river.drift
from numpy.typing import NDArray

from benchmarks.harness import Case, Row, at_least, at_most, main
from detectors.arrays import FloatArray
from detectors.multiplicity.budget import ErrorBudget
from detectors.multiplicity.within_round import benjamini_hochberg
from detectors.series.recent import recent_shift
from detectors.series.whitening import Baseline

STREAMS, ROUNDS, DRIFTING = 10_000, 500, 200
MEAN, SPREAD, SHIFT = 0.8, 0.02, 3.0
LEVEL, RUNS, LONGEST_WINDOW = 0.05, 4, 5
NEVER = ROUNDS
STABLE_FOR_PEERS = 800

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class World:
    """Seeded streams: onsets (ROUNDS for never) and raw values, (rounds, streams)."""

    onsets: IntArray
    reference: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, seed: int, reference_rounds: int) -> "World":
        """Draw one."""
        rng = np.random.default_rng([20_261_121, seed])
        onsets = np.full(STREAMS, NEVER)
        onsets[:DRIFTING] = rng.integers(0, ROUNDS - LONGEST_WINDOW - 1, DRIFTING)
        sign = rng.choice([-1.0, 1.0], STREAMS)
        shifted = np.arange(ROUNDS)[:, np.newaxis] >= onsets
        noise = rng.standard_normal((ROUNDS, STREAMS), dtype=np.float32) + SHIFT * sign * shifted
        known = rng.standard_normal((reference_rounds, STREAMS))
        return cls(onsets, MEAN + SPREAD * known, MEAN + SPREAD * noise)


@dataclass(frozen=True)
class Outcome:
    """What a procedure came to in one world."""

    false_share: float
    false_round_share: float
    power: float
    strict_power: float

    @classmethod
    def of(cls, alarms: IntArray, onsets: IntArray, stable_weight: float = 1.0) -> "Outcome":
        """Judge first alarms (ROUNDS for never); stable streams of a subsample count for more."""
        weight = np.where(onsets == NEVER, stable_weight, 1.0)
        alarmed, early = alarms < NEVER, alarms < onsets
        open_rounds, false_rounds = NEVER - alarms, np.minimum(onsets, NEVER) - alarms
        delay = (alarms - onsets)[onsets < NEVER]
        return cls(
            _share(weight @ (alarmed & early), weight @ alarmed),
            _share(weight @ np.where(early, false_rounds, 0), weight @ open_rounds),
            float(np.mean((delay >= 0) & (delay <= LONGEST_WINDOW))),
            float(np.mean((delay >= 0) & (delay < LONGEST_WINDOW))),
        )


def _share(part: FloatArray, whole: FloatArray) -> float:
    """Two sums, as numpy leaves them."""
    return float(part) / float(whole) if whole > 0 else 0.0


class FreshBudgetEachRound:
    """What is nearer at hand: Benjamini-Hochberg in every round, streams out once found."""

    def __init__(self, level: float) -> None:
        self.level = level
        self.live = np.ones(STREAMS, dtype=np.bool_)

    def judge(self, p_values: FloatArray, streams: range) -> BoolArray:
        """Return the new discoveries of a round."""
        found = np.zeros(len(streams), dtype=np.bool_)
        found[self.live] = benjamini_hochberg(p_values[self.live]) <= self.level
        self.live &= ~found
        return found


def _evidence(world: World) -> Iterator[FloatArray]:
    """One p-value a stream and round, against the estimated reference."""
    baseline = Baseline.fit(world.reference, whiten=False)
    for now in range(ROUNDS):
        first = max(now - LONGEST_WINDOW + 1, 0)
        yield recent_shift(baseline, world.values[first : now + 1], start=first).p_values


@lru_cache
def _runs(reference_rounds: int) -> tuple[tuple[Outcome, Outcome], ...]:
    """Outcomes of the error budget and of a fresh budget each round, in each world."""
    return tuple(_one_run(World.of(seed, reference_rounds)) for seed in range(RUNS))


def _one_run(world: World) -> tuple[Outcome, Outcome]:
    budget, fresh = ErrorBudget(LEVEL), FreshBudgetEachRound(LEVEL)
    ours, peers = np.full(STREAMS, NEVER), np.full(STREAMS, NEVER)
    for now, p_values in enumerate(_evidence(world)):
        ours[budget.judge(p_values, range(STREAMS))] = now
        peers[fresh.judge(p_values, range(STREAMS))] = now
    return Outcome.of(ours, world.onsets), Outcome.of(peers, world.onsets)


def _peer(make: Callable[[], river.drift.ADWIN | river.drift.PageHinkley], raw: bool) -> Outcome:
    """Run a river detector on every drifting stream and some stable ones, reference first."""
    world = World.of(0, 200)
    chosen = slice(0, DRIFTING + STABLE_FOR_PEERS)
    values = np.concatenate((world.reference, world.values))[:, chosen]
    if not raw:
        known = world.reference[:, chosen]
        values = (values - known.mean(axis=0)) / known.std(axis=0, ddof=1)
    alarms = np.array([_first_alarm(make(), stream, 200) for stream in values.T])
    weight = (STREAMS - DRIFTING) / STABLE_FOR_PEERS
    return Outcome.of(alarms, world.onsets[chosen], weight)


def _first_alarm(detector: river.drift.ADWIN, stream: FloatArray, skip: int) -> int:
    """The first round after the reference in which it alarms."""
    for position, value in enumerate(stream.tolist()):
        detector.update(value)
        if detector.drift_detected and position >= skip:
            return position - skip
    return NEVER


def _beside(what: str, ours: float, peer: float) -> Row:
    """State two figures side by side; nothing is asked of their ratio."""
    return Row(what, ours, peer, "share", ours / peer if peer else float("inf"), 0.0, holds=True)


def _budget_rows(reference_rounds: int) -> Iterable[Row]:
    runs = _runs(reference_rounds)
    mean = {
        name: float(np.mean([getattr(ours, name) for ours, _ in runs]))
        for name in Outcome.__dataclass_fields__
    }
    label = f"{reference_rounds} reference rounds, mean of {RUNS} runs"
    yield at_most(f"FDR of first alarms, {label}", mean["false_share"], LEVEL, "share")
    yield at_most(f"FDR of alarmed rounds, {label}", mean["false_round_share"], LEVEL, "share")
    yield at_least(f"power within 5 rounds, {label}", mean["power"], 0.9, "share")
    yield _beside(f"power in the first 5 rounds beside 0.9, {label}", mean["strict_power"], 0.9)
    fresh = float(np.mean([peer.false_share for _, peer in runs]))
    yield _beside(f"FDR beside Benjamini-Hochberg a round, {label}", mean["false_share"], fresh)


def _peer_rows(
    name: str, make: Callable[[], river.drift.ADWIN | river.drift.PageHinkley]
) -> Iterable[Row]:
    ours = _runs(200)[0][0]
    for kind, raw in (("raw", True), ("standardised", False)):
        peer = _peer(make, raw)
        label = f"beside river's {name} on {kind} metrics"
        yield at_least(f"power within 5 rounds {label}", ours.power, peer.power, "share")
        yield _beside(f"FDR of first alarms {label}", ours.false_share, peer.false_share)


CASES = [
    Case("error budget, 200 reference rounds", partial(_budget_rows, 200)),
    Case("error budget, 100 reference rounds", partial(_budget_rows, 100)),
    Case("ADWIN", partial(_peer_rows, "ADWIN", river.drift.ADWIN)),
    Case("Page-Hinkley", partial(_peer_rows, "Page-Hinkley", river.drift.PageHinkley)),
]

if __name__ == "__main__":
    main("online_fdr", CASES)
