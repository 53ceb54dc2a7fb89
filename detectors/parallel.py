"""Work on the parts of an array at once: kernels let go of the interpreter, so threads do."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parts(
    work: Callable[[int, int], object], size: int, *, least: int, threads: int = THREADS
) -> None:
    """Call `work(start, stop)` on consecutive parts of `range(size)`, at once.

    Parts have `least` elements or more, so that small work stays in this thread. What `work`
    raises is raised here. The parts depend on the number of threads, so results must not depend on
    the parts.
    """
    parts = max(1, min(threads, size // least))
    bounds = [size * part // parts for part in range(parts + 1)]
    if parts == 1:
        work(0, size)
        return
    for done in _pool(os.getpid()).map(work, bounds[:-1], bounds[1:]):
        del done  # asking for the result raises what went wrong


@lru_cache(maxsize=1)
def _pool(_process: int) -> ThreadPoolExecutor:
    """One pool for each process: threads do not survive a fork."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="detectors")
