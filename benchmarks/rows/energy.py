"""The energy distance against dcor 0.7, whose permutation test takes minutes.

dcor's time for 1,000 permutations follows from its times for none and for a few, since every
permutation costs the same; "without its defect" is dcor with scipy's distances, which it means to
use for float64 and does not. "As it is" adds what its N x N x d broadcast costs: measured on as
many columns as fit in 256 MB, and scaled (all of it would take 66 GB at d = 64 and n = 4,000).
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Case, Row, at_most
from detectors.two_sample.energy import energy_distance, energy_multivariate, energy_samples
from detectors.two_sample.projection_counts import (
    energy_from_projection_counts,
    merge_projection_counts,
)
from detectors.two_sample.projections import directions

FloatArray = NDArray[np.float64]
SEED, PERMUTATIONS, REPEATS = 20_261_121, 1_000, 3
GOAL, GOAL_1D, LIMIT_1D_MS = 300, 50_000, 3.0
MEMORY_LIMIT_MB = 700
SLAB_BYTES = 256_000_000
CLIENTS, DIM, BINS, PROJECTION_LIMIT_MS, PROJECTION_RMS = 1_000, 64, 64, 2.0, 5.0


def _samples(n: int, dim: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(SEED)
    return rng.normal(size=(n, dim)), rng.normal(0.02, 1, size=(n, dim))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _dcor_without_defect(x: FloatArray, y: FloatArray) -> float:
    """Seconds of PERMUTATIONS permutations, from those of few; one untimed run comes first."""
    from dcor import distances, homogeneity  # noqa: PLC0415 - compiles for seconds on import

    few = 20 if len(x) <= 1_000 else 5  # noqa: PLR2004 - about a second
    test = partial(homogeneity.energy_test, x, y, random_state=0)
    with patch.object(distances, "_can_be_numpy_double", return_value=True):
        test(num_resamples=1)
        none = _seconds(partial(test, num_resamples=1))
        some = _seconds(partial(test, num_resamples=1 + few))
    return none + (some - none) * (PERMUTATIONS - 1) / few


def _dcor_broadcast(x: FloatArray, y: FloatArray) -> float:
    """Seconds that dcor's distances take above scipy's."""
    from dcor import distances  # noqa: PLC0415 - as above

    pooled = np.concatenate((x, y))
    columns = min(len(pooled), SLAB_BYTES // (8 * pooled.size))
    slab = _seconds(partial(distances.pairwise_distances, pooled, pooled[:columns].copy()))
    with patch.object(distances, "_can_be_numpy_double", return_value=True):
        scipys = _seconds(partial(distances.pairwise_distances, pooled))
    return slab * len(pooled) / columns - scipys


def _vectors(n: int, dim: int) -> Iterable[Row]:
    x, y = _samples(n, dim)
    ours = partial(energy_multivariate, x, y, permutations=PERMUTATIONS)
    ours()
    times = [
        (_seconds(ours), _dcor_without_defect(x, y), _dcor_broadcast(x, y)) for _ in range(REPEATS)
    ]
    mine, mended, broadcast = (median(column) for column in zip(*times, strict=True))
    what = f"energy, d = {dim}, n = m = {n:,}, {PERMUTATIONS:,} permutations, against dcor 0.7"
    yield _ratio(f"{what} as it is (scaled)", mine, mended + broadcast, GOAL)
    yield _ratio(f"{what} without its defect (scaled)", mine, mended, GOAL)


def _ratio(what: str, mine: float, theirs: float, goal: float) -> Row:
    ratio = theirs / mine
    return Row(what, mine * 1e3, theirs * 1e3, "ms", ratio, goal, ratio >= goal)


def _line(n: int = 4_000) -> Iterable[Row]:
    x, y = (values[:, 0] for values in _samples(n, 1))
    ours = partial(energy_samples, x, y, permutations=PERMUTATIONS)
    ours()
    times: list[float] = []
    theirs: list[float] = []
    for _ in range(REPEATS):
        times.extend(_seconds(ours) for _ in range(20))
        columns = x[:, np.newaxis], y[:, np.newaxis]
        theirs.append(_dcor_without_defect(*columns) + _dcor_broadcast(*columns))
    what = f"energy, 1-D, n = m = {n:,}, {PERMUTATIONS:,} permutations"
    yield _ratio(f"{what}, against dcor 0.7 (scaled)", median(times), median(theirs), GOAL_1D)
    yield at_most(f"{what}, best of {len(times)}", min(times) * 1e3, LIMIT_1D_MS, "ms")


MEMORY_CODE = """
import numpy as np
from detectors import energy_multivariate
rng = np.random.default_rng(0)
x, y = rng.normal(size=({n}, {dim})), rng.normal(size=({n}, {dim}))
energy_multivariate(x, y, permutations={permutations})
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""


def _memory(n: int = 4_000, dim: int = 64) -> Iterable[Row]:
    """The peak of a process of its own, with interpreter, numpy and numba in it; Linux alone."""
    code = MEMORY_CODE.format(n=n, dim=dim, permutations=PERMUTATIONS)
    done = subprocess.run(  # noqa: S603 - this interpreter, and code from this file
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    what = f"energy, d = {dim}, n = m = {n:,}: peak memory of the process"
    yield at_most(what, int(done.stdout) * 1024 / 1e6, MEMORY_LIMIT_MB, "MB")


def _projections() -> Iterable[Row]:
    rng = np.random.default_rng(SEED)
    edges = np.linspace(-4, 4, BINS + 1)
    counts = rng.integers(0, 60, (CLIENTS, DIM, BINS)).astype(np.int32)
    reference = merge_projection_counts(rng.integers(0, 60, (CLIENTS, DIM, BINS)))
    run = partial(energy_from_projection_counts, reference, counts, edges, DIM)
    run()
    what = f"energy from projection histograms, d = {DIM}, one basis, {BINS} bins"
    best = min(_seconds(run) for _ in range(60)) * 1e3
    merged = f"{what}, {CLIENTS:,} clients' 32-bit counts merged, best of 60"
    yield at_most(merged, best, PROJECTION_LIMIT_MS, "ms")
    yield at_most(f"{what}: rms off the samples, mean", _rms(0.3, 1.0), PROJECTION_RMS, "%")
    yield at_most(f"{what}: rms off the samples, scale", _rms(0.0, 1.3), PROJECTION_RMS, "%")


def _rms(shift: float, scale: float, n: int = 4_000, seeds: int = 5) -> float:
    """Per cent by which the projected distance differs from that of the same samples."""
    edges = np.linspace(-6, 6, BINS + 1)
    errors = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(n, DIM)), rng.normal(shift, scale, size=(n, DIM))
        basis = directions(DIM, bases=1, seed=seed)
        before, after = (_counted(side @ basis.T, edges) for side in (x, y))
        found = energy_from_projection_counts(before, after, edges, DIM).squared_distance
        errors.append(found / energy_distance(x, y) - 1)
    return float(np.sqrt(np.mean(np.square(errors))) * 100)


def _counted(projected: FloatArray, edges: FloatArray) -> FloatArray:
    """Count each column on the edges, as (directions, bins)."""
    inside = np.clip(projected, edges[0], edges[-1])
    return np.array([np.histogram(column, edges)[0] for column in inside.T], dtype=np.float64)


CASES = [
    *(
        Case(f"energy, d = {dim}, n = {n:,}", partial(_vectors, n, dim))
        for n in (1_000, 4_000)
        for dim in (8, 64)
    ),
    Case("energy, 1-D", _line),
    Case("energy, memory", _memory),
    Case("energy, projections", _projections),
]
