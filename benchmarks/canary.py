"""How often the canary's sequential test errs where one looks after every round, and what it saves.

`python -m benchmarks.canary --json`. 5,000 canaries of 8 to 200 clients of very different sizes (a
log-spread of 1), a fifth of them absent in each round, looked at after each of 20 rounds. Clients'
true differences are normal, heavy-tailed, skewed or of two worlds, and their rounds vary a little
or a lot. Three errors are counted, each wherever any of the 20 looks made it:

- a candidate exactly as good is called worse, and rejected;
- a candidate exactly as good is called better;
- a candidate worse by exactly the margin is promoted.

The average sample number is the rounds until the test decides, beside a fixed-sample test
(Student's t over clients, one look after a number of rounds chosen for a power of 90%).
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from benchmarks.harness import Case, Row, at_most, main
from detectors.arrays import FloatArray
from detectors.clients.paired import Looks, paired_looks

CANARIES, ROUNDS, SEED = 5_000, 20, 20_261_121
CLIENTS = (8, 12, 20, 40, 80, 200)
SHAPES = ("normal", "heavy tails", "skewed", "two worlds")
WITHIN = (0.05, 1.0)  # spread of one example's difference, nats
BETWEEN, MARGIN, ALPHA = 0.02, 0.005, 0.05
POWER, BETTER, PRESENT = 0.9, -0.02, 0.8


def effects(shape: str, rng: np.random.Generator, size: tuple[int, ...]) -> FloatArray:
    """Clients' differences with mean 0 and spread 1."""
    if shape == "heavy tails":
        return np.asarray(rng.standard_t(3, size) / np.sqrt(3))
    if shape == "skewed":
        drawn = np.exp(0.5 * rng.normal(size=size))
        return np.asarray((drawn - np.exp(0.125)) / np.sqrt((np.exp(0.25) - 1) * np.exp(0.25)))
    if shape == "two worlds":
        return rng.choice([-1.0, 1.0], size)
    return rng.normal(size=size)


def canaries(shape: str, clients: int, within: float, count: int, mean: float = 0.0) -> Looks:
    """So many canaries, seeded by what they are."""
    seed = [SEED, SHAPES.index(shape), clients, WITHIN.index(within), round(1e6 * abs(mean))]
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(np.log(300), 1.0, (count, 1, clients)))
    here = rng.random((count, ROUNDS, clients)) < PRESENT
    here[:, 0, :4] = True  # the first look is at four clients at least
    n = np.where(here, 1 + rng.poisson(size, here.shape), 0).astype(np.float64)
    means = mean + BETWEEN * effects(shape, rng, (count, 1, clients))
    return paired_looks(n, n * means + within * np.sqrt(n) * rng.normal(size=n.shape))


@cache
def errors() -> dict[tuple[str, int, float], tuple[int, FloatArray]]:
    """Of each kind of canary: how many, and how many of them made each of the three errors."""
    kinds = [(s, c, w) for s in SHAPES for c in CLIENTS for w in WITHIN]
    counts = np.diff(np.linspace(0, CANARIES, len(kinds) + 1).round().astype(int))
    return {
        kind: (int(count), _wrong(canaries(*kind, count=int(count))))
        for kind, count in zip(kinds, counts, strict=True)
    }


def _wrong(looks: Looks) -> FloatArray:
    low, high = looks.interval(ALPHA)
    rejected = (low > 0).any(axis=-1).sum()
    called_better = (looks.e_below(0.0) >= 1 / ALPHA).any(axis=-1).sum()
    # Worse by the margin: all differences are moved up by it, and so is what promotes.
    promoted = ((high < 0) & (looks.estimate + MARGIN < 0)).any(axis=-1).sum()
    return np.array([rejected, called_better, promoted], dtype=np.float64)


def type_one() -> Iterator[Row]:
    """The three errors over all canaries, and of each shape the worst."""
    names = ("as good, rejected", "as good, called better", "worse by the margin, promoted")
    counted = errors()
    for at, name in enumerate(names):
        rate = sum(wrong[at] for _, wrong in counted.values()) / CANARIES
        yield at_most(f"{CANARIES} canaries, {ROUNDS} looks each: {name}", rate, ALPHA, "rate")
    for shape in SHAPES:
        mine = [told for (one, _, _), told in counted.items() if one == shape]
        rate = max(sum(w[at] for _, w in mine) / sum(n for n, _ in mine) for at in range(3))
        yield at_most(f"{shape}: the most frequent error", rate, ALPHA, "rate")


def fixed() -> Iterator[Row]:
    """A fixed interval that is looked at after every round, to be seen failing."""
    looks = canaries("normal", 20, 1.0, 500)
    low, high = looks.fixed_interval(ALPHA)
    wrong = float(((low > 0) | (high < 0)).any(axis=-1).mean())
    low, high = looks.interval(ALPHA)
    ours = float(((low > 0) | (high < 0)).any(axis=-1).mean())
    yield Row("20 clients: ever outside, beside a fixed interval", ours, wrong, "rate",
              wrong / max(ours, 1 / 500), 1.0, ours <= ALPHA)  # fmt: skip


def sample_numbers() -> Iterator[Row]:
    """Rounds until a better candidate is promoted, beside a test of a fixed number of rounds."""
    for clients in (20, 80):
        for better in (BETTER, 2 * BETTER):
            looks = canaries("normal", clients, WITHIN[1], 400, better)
            _, high = looks.interval(ALPHA)
            ends = (high < MARGIN) & (looks.estimate < 0)
            decided = np.where(ends.any(axis=-1), ends.argmax(axis=-1) + 1, ROUNDS)
            _, fixed_high = looks.fixed_interval(ALPHA)
            power = ((fixed_high < MARGIN) & (looks.estimate < 0)).mean(axis=0)
            needed = int(np.argmax(power >= POWER)) + 1 if (power >= POWER).any() else ROUNDS
            share = ends.any(axis=-1).mean()
            what = (
                f"{clients} clients, {-better:g} nats better: rounds on average ({share:.0%}"
                f" promoted), beside a fixed test with a power of {power[needed - 1]:.0%}"
            )
            ours = float(decided.mean())
            # Nothing is claimed of this: the fixed test has to know beforehand how much better.
            yield Row(what, ours, float(needed), "rounds", needed / ours, 0.0, holds=True)


CASES = (
    Case("type I", type_one),
    Case("fixed interval", fixed),
    Case("average sample number", sample_numbers),
)

if __name__ == "__main__":
    main("canary", CASES)
