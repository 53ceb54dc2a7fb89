"""The garbage collector of a process that serves: rarely, and only over what came after its start.

By default it looks at young objects after every 700 new ones, and now and then at all there are:
modules, routes and schemas, half a million objects that stay for good. A push, or judging a round,
makes thousands of objects, and nearly all go by their reference counts; that took a tenth of the
time of either.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG, MIDDLE, OLD = 20_000, 20, 50


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Until the block ends, look after `YOUNG` new objects, and never at those that are there."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Until the block ends, look at nothing: what modules make as they are read is no garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
