"""Rows for the sequential detectors beside ADWIN and Page-Hinkley: 100,000 streams, one value each.

The peer is river's own detector on one stream, where river has one. For the others it is what one
would write without a kernel: numpy over all streams at once, with the same check for NaN
(CUSUM, SPRT), or the readable class.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Case, Row, faster
from detectors.arrays import finite
from detectors.catalogue import create, create_block
from detectors.sequential.sprt import Sprt

STREAMS = 100_000
WARM_ROUNDS, SEED = 120, 20_261_121
ERROR_RATE = 0.2
FloatArray = NDArray[np.float64]


def _outcomes(shape: tuple[int, int], *, binary: bool) -> FloatArray:
    rng = np.random.default_rng(SEED)
    return (rng.random(shape) < ERROR_RATE).astype(np.float64) if binary else rng.normal(size=shape)


def _block(name: str, *, binary: bool) -> Callable[[], object]:
    """One round of a block that has seen enough to test at every value."""
    block = create_block(name, STREAMS)
    for values in _outcomes((WARM_ROUNDS, STREAMS), binary=binary):
        block.update(values)
    return partial(block.update, _outcomes((1, STREAMS), binary=binary)[0])


def _updates(
    update: Callable[[float], object], updates: int, *, binary: bool
) -> Callable[[], None]:
    """One stream's updates one after another."""
    values = _outcomes((1, updates), binary=binary)[0].tolist()

    def run() -> None:
        for value in values:
            update(value)

    run()
    return run


def _against_river(name: str, peer: str, updates: int = 20_000, *, binary: bool = True) -> Row:
    from river import drift  # noqa: PLC0415 - river takes a second, so only where it is measured
    from river.drift import binary as of_outcomes  # noqa: PLC0415

    made = getattr(of_outcomes if binary else drift, peer)()
    return faster(
        f"{name}: {STREAMS:,} streams, a value a round, against river 0.26 {peer}",
        _block(name, binary=binary),
        _updates(made.update, updates, binary=binary),
        goal=10,
        unit="ns",
        per=STREAMS,
        peer_per=updates,
    )


def _cusum() -> Row:
    values, state = _outcomes((1, STREAMS), binary=False)[0], np.zeros((2, STREAMS))

    def peer() -> None:
        finite(values, "values")
        up = np.maximum(0.0, state[0] + values - 0.5)
        down = np.maximum(0.0, state[1] - values - 0.5)
        alarms = (up > 5) | (down > 5)  # noqa: PLR2004 - the default limit
        state[0], state[1] = np.where(alarms, 0.0, up), np.where(alarms, 0.0, down)

    return _against_numpy("cusum", peer)


def _sprt() -> Row:
    values, ratio, test = _outcomes((1, STREAMS), binary=False)[0], np.zeros(STREAMS), Sprt()

    def peer() -> None:
        finite(values, "values")
        grown = ratio + test.slope * values + test.intercept
        decided = (grown >= test.rejects_at) | (grown <= test.accepts_at)
        ratio[:] = np.where(decided, 0.0, grown)

    return _against_numpy("sprt", peer)


def _against_numpy(name: str, peer: Callable[[], None]) -> Row:
    return faster(
        f"{name}: {STREAMS:,} streams, a value a round, against numpy over all streams",
        _block(name, binary=False),
        peer,
        goal=1,
        unit="ns",
        per=STREAMS,
    )


def _mean_eprocess(updates: int = 2_000) -> Row:
    return faster(
        f"mean-eprocess: {STREAMS:,} streams, a value a round, against its readable class",
        _block("mean-eprocess", binary=False),
        _updates(create("mean-eprocess").update, updates, binary=False),
        goal=10,
        unit="ns",
        per=STREAMS,
        peer_per=updates,
    )


def _rows(measure: Callable[[], Row]) -> Callable[[], Iterable[Row]]:
    return lambda: [measure()]


CASES = [
    Case("cusum", _rows(_cusum)),
    Case("sprt", _rows(_sprt)),
    Case("ddm", _rows(partial(_against_river, "ddm", "DDM"))),
    Case("eddm", _rows(partial(_against_river, "eddm", "EDDM"))),
    Case("hddm-a", _rows(partial(_against_river, "hddm-a", "HDDMA"))),
    Case("hddm-w", _rows(partial(_against_river, "hddm-w", "HDDMW"))),
    Case("kswin", _rows(partial(_against_river, "kswin", "KSWIN", 500, binary=False))),
    Case("mean-eprocess", _rows(_mean_eprocess)),
]
