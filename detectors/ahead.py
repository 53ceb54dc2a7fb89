"""Compile every kernel ahead: `python -m detectors.ahead`, once after an installation.

Kernels compile when they are first called, one to two seconds each, and stay cached on disk. This
calls each of them on next to nothing, so that nobody else waits.
"""

import time
from collections.abc import Callable, Mapping

import numpy as np

from detectors.catalogue import BLOCKS, create_block


def main() -> None:
    """Call everything that is compiled, and say how long each took."""
    for name, call in _calls().items():
        start = time.perf_counter()
        call()
        print(f"{name:32} {time.perf_counter() - start:6.2f} s", flush=True)


def _calls() -> Mapping[str, Callable[[], object]]:
    return {name: _block(name) for name in BLOCKS}


def _block(name: str) -> Callable[[], object]:
    def call() -> None:
        block = create_block(name, 2)
        block.update(np.zeros(2))
        block.update(np.ones(2), present=[True, False])

    return call


if __name__ == "__main__":
    main()
