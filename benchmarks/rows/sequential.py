"""Rows for ADWIN and Page-Hinkley on many streams, against river's on one stream after another."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version

import numpy as np

from benchmarks.harness import Case, Row, at_most, faster
from detectors import parallel
from detectors.arrays import FloatArray
from detectors.catalogue import create_block
from detectors.sequential.blocks.block import Block, Signal

SEED = 20_261_121
MANY = 1_000_000
RIVER = f"river {version('river')}"
WARM_ROUNDS = 64
LONGEST_STALL = 2.0  # seconds


def _normal(rounds: int, streams: int) -> FloatArray:
    return np.random.default_rng(SEED).normal(size=(rounds, streams))


def _rivers(name: str, streams: int) -> list[tuple[Callable[[float], None], object]]:
    from river import drift  # noqa: PLC0415 - river takes a second, so only where it is measured

    made = [getattr(drift, name)() for _ in range(streams)]
    return [(each.update, each) for each in made]


def _adwin_windows() -> Iterable[Row]:
    """Windows from their first value on, all alarms compared with river's before timing."""
    rounds, streams, compared = 200, 10_000, 300
    values = _normal(rounds, streams)
    values[120:, ::50] += 3
    _require_rivers_alarms("ADWIN", "adwin", values[:, :compared])
    columns = values[:, :compared].T.tolist()

    def ours() -> None:
        create_block("adwin", streams).run(values)

    def peer() -> None:
        for (update, each), column in zip(_rivers("ADWIN", compared), columns, strict=True):
            for value in column:
                update(value)
                each.drift_detected  # type: ignore[attr-defined]  # noqa: B018 - as a user asks

    what = f"ADWIN: {streams:,} streams x {rounds} values, alarms equal, against {RIVER}"
    for threads in (1, parallel.THREADS):
        with _threads(threads):
            yield faster(
                f"{what}, {threads} thread(s)",
                ours,
                peer,
                goal=40,
                unit="ns",
                repeats=7,
                per=rounds * streams,
                peer_per=rounds * compared,
            )


def _require_rivers_alarms(peer: str, name: str, values: FloatArray) -> None:
    signals = create_block(name, values.shape[1]).run(values)
    for column, found in zip(values.T.tolist(), signals.T, strict=True):
        ((update, each),) = _rivers(peer, 1)
        for value, signal in zip(column, found, strict=True):
            update(value)
            if each.drift_detected != bool(signal & Signal.DRIFT):  # type: ignore[attr-defined]
                raise AssertionError(f"{name} and {peer} of {RIVER} alarm at different values")


def _a_value_a_round(peer: str, name: str, goals: tuple[float, float]) -> Iterable[Row]:
    values, block = _normal(8, MANY), create_block(name, MANY)
    for index in range(WARM_ROUNDS):
        block.update(values[index % 8])
    rivers, column = _rivers(peer, MANY), values[0].tolist()
    for (update, _), value in zip(rivers, column, strict=True):
        update(value)
    what = f"{peer}: {MANY:,} streams, a value a round, against {RIVER}"
    for threads, goal in zip((1, parallel.THREADS), goals, strict=True):
        with _threads(threads):
            yield faster(
                f"{what}, {threads} thread(s)",
                partial(_cycle, block, values),
                partial(_round, rivers, column),
                goal=goal,
                unit="ns",
                repeats=5,
                per=32 * MANY,
                peer_per=MANY,
            )
    yield at_most(f"{peer}: state of a stream", block.nbytes / MANY, 806, "bytes")


def _cycle(block: Block, values: FloatArray) -> None:
    """32 rounds, so that a cut is looked for in one of them."""
    for index in range(32):
        block.update(values[index % 8])


def _round(rivers: list[tuple[Callable[[float], None], object]], column: list[float]) -> None:
    for (update, each), value in zip(rivers, column, strict=True):
        update(value)
        each.drift_detected  # type: ignore[attr-defined]  # noqa: B018 - as a user asks


def _page_hinkley_bandwidth() -> Iterable[Row]:
    """Against adding a number, in place, to as many bytes as the block reads and writes."""
    block, values = create_block("page-hinkley", MANY), _normal(1, MANY)[0]
    touched = np.zeros((2 * block.nbytes + 9 * MANY) // 16)  # in place: read and written
    yield faster(
        f"Page-Hinkley: {MANY:,} streams, against an in-place sweep of as many bytes by numpy",
        partial(block.update, values),
        partial(np.add, touched, 1.0, out=touched),
        goal=0.8,
        unit="ms",
        repeats=21,
    )


def _adwin_bandwidth() -> Iterable[Row]:
    """Against adding a number, in place, to as many bytes as a round reads and writes.

    A value, its place among the newest, total and variance, and a bucket made of two, which is what
    a round merges on average; and the search for cuts reads all once in 32 rounds.
    """
    block, values = create_block("adwin", MANY), _normal(8, MANY)
    for index in range(WARM_ROUNDS):
        block.update(values[index % 8])
    touched = np.zeros((32 * (8 + 16 + 32 + 32 + 1) * MANY + block.nbytes) // 32 // 16)

    def peer() -> None:
        for _ in range(32):
            np.add(touched, 1.0, out=touched)

    yield faster(
        f"ADWIN: {MANY:,} streams, against an in-place sweep of as many bytes by numpy",
        partial(_cycle, block, values),
        peer,
        goal=0.5,
        unit="ns",
        repeats=5,
        per=32 * MANY,
    )


class _threads:  # noqa: N801 - read as a word: `with _threads(1)`
    """Kernels use so many threads inside."""

    def __init__(self, count: int) -> None:
        self.defaults, self.count = parallel.in_parts.__kwdefaults__ or {}, count

    def __enter__(self) -> None:
        self.before = self.defaults["threads"]
        self.defaults["threads"] = self.count

    def __exit__(self, *_: object) -> None:
        self.defaults["threads"] = self.before


def _first_call(name: str) -> Iterable[Row]:
    """A block and its first update ever, kernels' import included, in a fresh interpreter.

    First with an empty cache, then with what that left behind, as after compiling ahead. All
    modules are there as byte code, which pip writes when it installs.
    """
    code = (
        "import time; start = time.perf_counter();"
        "from detectors.catalogue import create_block;"
        f"create_block({name!r}, 2).update([0.0, 1.0]); print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as installed, tempfile.TemporaryDirectory() as cache:
        _seconds(code, installed)
        for when in ("nothing compiled yet", "compiled before"):
            what = f"{name}: import, block and first update, {when}"
            yield at_most(what, _seconds(code, cache), LONGEST_STALL, "s")


def _seconds(code: str, cache: str) -> float:
    """Return what code prints in a fresh interpreter that may write byte code."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603 - our own code
    return float(answer.stdout)


CASES = [
    Case("ADWIN windows", _adwin_windows),
    Case("ADWIN many", partial(_a_value_a_round, "ADWIN", "adwin", (30, 60))),
    Case("ADWIN bandwidth", _adwin_bandwidth),
    Case("Page-Hinkley many", partial(_a_value_a_round, "PageHinkley", "page-hinkley", (300, 300))),
    Case("Page-Hinkley bandwidth", _page_hinkley_bandwidth),
    Case("ADWIN first call", partial(_first_call, "adwin")),
    Case("Page-Hinkley first call", partial(_first_call, "page-hinkley")),
]
