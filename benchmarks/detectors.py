"""Speed and memory of the detectors against the libraries people use today.

`python -m benchmarks.detectors --json --only energy` runs a part of it.
"""

from benchmarks.harness import main
from benchmarks.rows import ROWS

if __name__ == "__main__":
    main("detectors", ROWS)
