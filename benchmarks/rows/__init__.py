"""The rows of `python -m benchmarks.detectors`, one file for each kind of detector."""

from benchmarks.harness import Case
from benchmarks.rows import bulk, energy, histograms, imports, samples, sequential, sequential_more

ROWS: list[Case] = [
    *samples.CASES,
    *histograms.CASES,
    *bulk.CASES,
    *energy.CASES,
    *sequential.CASES,
    *sequential_more.CASES,
    *imports.CASES,
]
