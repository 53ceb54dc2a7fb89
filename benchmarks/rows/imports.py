"""What importing costs, in fresh interpreters and in alternation with Evidently's.

`import detectors` is what a user types first; the row with every public name is what the first
script pays that uses them all, without what they import when they are called.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from statistics import median

from benchmarks.harness import Case, Row, at_most

OURS = "import detectors"
ALL_OURS = "from detectors import *"
PEER = "import evidently; from evidently.presets import DataDriftPreset"
REPEATS, GOAL, LIMIT_SECONDS = 5, 10, 0.5


def _import_seconds(statement: str) -> float:
    return _number(
        f"import time; start = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    )


def _numba_modules() -> float:
    """Count numba's modules once every public name is there: without any, nothing compiles."""
    return _number(
        f"import sys\n{OURS}\n{ALL_OURS}\nprint(sum(m.startswith('numba') for m in sys.modules))"
    )


def _number(code: str) -> float:
    done = subprocess.run(  # noqa: S603 - this interpreter, and code from this file
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},  # byte code, as pip leaves it
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _imports() -> Iterable[Row]:
    statements = (OURS, ALL_OURS, PEER)
    for statement in statements:
        _import_seconds(statement)  # writes the byte code
    times = [[_import_seconds(statement) for statement in statements] for _ in range(REPEATS)]
    ours, everything, peer = (median(column) for column in zip(*times, strict=True))
    peers = "against Evidently's DataDriftPreset"
    yield Row(
        f"import of detectors, {peers}", ours, peer, "s", peer / ours, GOAL, peer / ours >= GOAL
    )
    yield at_most("import of detectors", ours, LIMIT_SECONDS, "s")
    yield at_most(f"import of every public name of detectors, {peers}", everything, peer, "s")
    what = "import of every public name of detectors: modules of numba loaded"
    yield at_most(what, _numba_modules(), 0, "modules")


CASES = [Case("import", _imports)]
