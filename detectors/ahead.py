"""Compile every kernel ahead: `python -m detectors.ahead`, once after an installation.

Kernels compile when they are first called, one to two seconds each, and stay cached on disk. This
calls each of them on next to nothing, so that nobody else waits.
"""

import time
from collections.abc import Callable, Mapping

import numpy as np

from detectors import (
    compare_columns,
    energy_from_projection_counts,
    energy_multivariate,
    energy_samples,
    estimate_variations,
    ks_histograms,
    ks_many,
    ks_samples,
    median_shifts,
    wasserstein_samples,
)
from detectors.arrays import Counts
from detectors.catalogue import BLOCKS, create_block

ADWINS_CLOCK = 32  # rounds, after which it first looks for cuts
KINDS = ("float64", "int64", "int32")  # of counts


def main() -> None:
    """Call everything that is compiled, and say how long each took."""
    for name, call in _calls().items():
        start = time.perf_counter()
        call()
        print(f"{name:40} {time.perf_counter() - start:6.2f} s", flush=True)


def _calls() -> Mapping[str, Callable[[], object]]:
    values, rows = np.arange(12.0), np.arange(24.0).reshape(12, 2)
    counts = np.ones((2, 4))
    return {
        "ks_samples": lambda: ks_samples(values, values + 0.5),
        "ks_many": lambda: ks_many(values, values[np.newaxis]),
        **{f"ks_histograms, {kind}": _histograms(counts.astype(kind)) for kind in KINDS},
        "compare_columns": lambda: compare_columns(rows, rows),
        "median_shifts": lambda: median_shifts(rows, rows[:3]).p_values,
        "wasserstein_samples": lambda: wasserstein_samples(values, values),
        "energy_samples": lambda: energy_samples(values, values),
        "energy_multivariate": lambda: energy_multivariate(rows, rows),
        **{
            f"energy_from_projection_counts, {kind}": _merged(counts.astype(kind)) for kind in KINDS
        },
        **{name: _block(name) for name in BLOCKS},
    }


def _histograms(counts: Counts) -> Callable[[], object]:
    variations = estimate_variations(np.ones((2, counts.shape[1], 2)))

    def call() -> object:
        gaps = ks_histograms(counts, counts, variations=variations)
        return gaps.p_values, gaps.minimum_detectable_effects()

    return call


def _merged(counts: Counts) -> Callable[[], object]:
    clients = counts[np.newaxis]
    return lambda: energy_from_projection_counts(clients, clients, np.arange(5.0), 2)


def _block(name: str) -> Callable[[], object]:
    def call() -> None:
        block = create_block(name, 2)
        block.run(np.zeros((ADWINS_CLOCK, 2)))
        block.update(np.ones(2), present=[True, False])

    return call


if __name__ == "__main__":
    main()
