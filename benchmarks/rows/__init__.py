"""The rows of `python -m benchmarks.detectors`, one file for each kind of detector."""

from benchmarks.harness import Case
from benchmarks.rows import sequential, sequential_more

ROWS: list[Case] = [*sequential.CASES, *sequential_more.CASES]
