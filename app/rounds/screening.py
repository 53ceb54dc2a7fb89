"""The screen: which records of a batch are good beyond doubt, by a few sweeps over its columns.

What passes here passes the gate too (`gate.check_record`); what does not is merely in doubt, and
the gate has the last word on it and names the field. So the screen may be coarse, and never lax.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.rounds.columns import numbers_of
from app.rounds.gate import SLACK, GateContext
from app.rounds.layout import COHORT, Column, Kind, Layout
from app.rounds.schemas import MAX_INT, MAX_NUMBER, MAX_RECORD_BYTES, Phase

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
PSEUDONYM_BYTES = 34
# So many characters does a number, or a text, take in JSON at most, with a comma.
WIDEST_NUMBER, WIDEST_TEXT = 25, 80
SIGNED = ("metrics", "canary.metrics")  # blocks whose numbers may be below 0
MOST_COSINE = 1.001
STATUSES = pa.array(["ok", "error", "timeout"])
DECIMAL, HEXADECIMAL = 10, 16
_WORD = np.dtype(np.uint64)


def doubtful(batch: pa.RecordBatch, layout: Layout, context: GateContext) -> Mask:
    """Which records the gate has to look at, shape (records,)."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    found: Mask = np.zeros(batch.num_rows, dtype=np.bool_)
    if not _can_judge(columns, layout, context):
        return ~found
    for mask in (
        *_texts(columns, context),
        *_numbers(columns, layout),
        *_count_columns(columns, layout, noisy=context.noisy),
        *(() if context.noisy else _moments(columns)),
    ):
        found |= mask
    return found


def _can_judge(columns: dict[str, pa.Array], layout: Layout, context: GateContext) -> bool:
    """Whether the columns are such that one sweep can clear a record."""
    required = {"client", "num_examples"} <= columns.keys()
    in_phase = context.phase is Phase.CANARY or not any(n.startswith("canary.") for n in columns)
    return required and in_phase and not _may_be_too_large(columns, layout)


def _may_be_too_large(columns: dict[str, pa.Array], layout: Layout) -> bool:
    """Whether some record could be over the cap when it is written as JSON."""
    names = sum(len(name) + WIDEST_TEXT for name in columns)
    counts = [name for name in columns if layout[name].kind is Kind.COUNTS]
    brackets = sum(layout[name].rows * len("[],") for name in counts)
    numbers = sum(layout[name].size for name in counts)
    if names + brackets + numbers * WIDEST_NUMBER <= MAX_RECORD_BYTES:
        return False
    widths = (layout[name].size * _width(numbers_of(columns[name])) for name in counts)
    return names + brackets + sum(widths) > MAX_RECORD_BYTES


def _width(counts: NDArray[Any]) -> int:
    """How many characters each takes at most, with `.0` and a comma."""
    if counts.dtype.kind == "f" and not (counts == np.trunc(counts)).all():
        return WIDEST_NUMBER
    most = max(abs(counts.min().item()), abs(counts.max().item()))  # numpy's abs could overflow
    return len(str(int(most))) + len("-.0,") if most < MAX_INT else WIDEST_NUMBER


def _texts(columns: dict[str, pa.Array], context: GateContext) -> Iterator[Mask]:
    yield _malformed_pseudonyms(columns["client"])
    if (status := columns.get("status")) is not None:
        yield ~_among(status, STATUSES)
    if (code := columns.get("error_code")) is not None:
        yield _told(code)
    for name, array in columns.items():
        if name.startswith(COHORT):
            allowed = context.federation.cohort_tags.get(name.removeprefix(COHORT), ())
            yield ~_among(array, pa.array(allowed, pa.string()))


def _malformed_pseudonyms(clients: pa.StringArray) -> Mask:
    """Those that are not `c_` and 32 hex digits, and all if one of them stands there twice."""
    everywhere = np.ones(len(clients), dtype=np.bool_)
    if clients.null_count:
        return everywhere
    _, offsets, data = clients.buffers()
    starts = np.frombuffer(offsets, np.int32)[clients.offset :][: len(clients) + 1]
    if (np.diff(starts) != PSEUDONYM_BYTES).any():
        return everywhere
    letters = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]].reshape(-1, PSEUDONYM_BYTES)
    if not _all_differ(letters) and pc.count_distinct(clients).as_py() < len(clients):
        return everywhere
    # Differences of unsigned bytes: what is below the first digit or letter comes out large.
    good: Mask = letters - ord("0") < DECIMAL
    np.logical_or(good, letters - ord("a") < HEXADECIMAL - DECIMAL, out=good)
    good[:, 0], good[:, 1] = letters[:, 0] == ord("c"), letters[:, 1] == ord("_")
    return _except(good)


def _all_differ(letters: NDArray[np.uint8]) -> bool:
    """Whether the last eight letters alone, as one number, tell the pseudonyms apart."""
    ends = np.sort(np.ascontiguousarray(letters[:, -_WORD.itemsize :]).view(_WORD).ravel())
    return bool((ends[1:] != ends[:-1]).all())


def _except(good: Mask) -> Mask:
    """The rows of which not everything is good; asked of all at once first, which is quick."""
    if good.all():
        return np.zeros(len(good), dtype=np.bool_)
    wrong: Mask = np.invert(good.all(axis=1))
    return wrong


def _numbers(columns: dict[str, pa.Array], layout: Layout) -> Iterator[Mask]:
    examples = _dense(columns["num_examples"])
    yield _null(columns["num_examples"]) | (examples < 0) | (examples > MAX_INT)
    names = tuple(name for name in columns if layout[name].kind is Kind.NUMBER)
    if names:
        low, high = _bounds_of(names)
        values = np.stack([_dense(columns[name]) for name in names])
        yield _except(((values >= low) & (values <= high)).T)  # NaN is in no bounds


@lru_cache(maxsize=256)
def _bounds_of(names: tuple[str, ...]) -> Floats:
    """The least and the most that the numbers of these columns may be, shape (2, columns, 1)."""
    return np.array([_bounds(name) for name in names]).T[:, :, None]


def _bounds(name: str) -> tuple[float, float]:
    if name == "update.cosine":
        return -MOST_COSINE, MOST_COSINE
    signed = name.rpartition(".")[0] in SIGNED
    return (-MAX_NUMBER if signed else 0.0), MAX_NUMBER


def _count_columns(columns: dict[str, pa.Array], layout: Layout, *, noisy: bool) -> Iterator[Mask]:
    examples = _dense(columns["num_examples"])
    for name, array in columns.items():
        if layout[name].kind is Kind.COUNTS:
            counts = numbers_of(array)
            wrong = _impossible(counts) if noisy else _inexact(counts, examples, layout[name])
            yield wrong & _told(array) if array.null_count else wrong


def _impossible(counts: NDArray[Any]) -> Mask:
    # Not by abs(), of which the least of all integers has none.
    wrong: Mask = np.any(~((counts >= -MAX_NUMBER) & (counts <= MAX_NUMBER)), axis=1)
    return wrong


def _inexact(counts: NDArray[Any], examples: NDArray[Any], column: Column) -> Mask:
    """Those with a count that is negative, broken or not finite, or with more than the examples."""
    rows = counts.reshape(-1, column.columns)
    if _adds_up_safely(rows):
        return _except(_sums(rows).reshape(-1, column.rows) <= examples[:, None])
    # In float64 whole numbers up to MAX_INT add up exactly, and more than that stays more.
    numbers = counts.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _sums(numbers.reshape(-1, column.columns)).reshape(-1, column.rows)
        wrong: Mask = np.invert((sums <= examples[:, None]).all(axis=1))
        if not numbers.min(initial=0) >= 0:
            wrong |= ~(numbers.min(axis=1) >= 0)
        if counts.dtype.kind == "f":
            wrong |= (numbers != np.trunc(numbers)).any(axis=1)
    return wrong


def _adds_up_safely(rows: NDArray[Any]) -> bool:
    """Whether these are whole numbers, none negative, whose rows their own type can add up."""
    if rows.dtype.kind not in "iu":
        return False
    most = np.iinfo(rows.dtype).max // rows.shape[1]
    return bool(rows.min(initial=0) >= 0 and rows.max(initial=0) <= most)


def _sums(rows: NDArray[Any]) -> NDArray[Any]:
    """The sum of each row; by einsum, since a sum over short rows takes three times as long."""
    sums: NDArray[Any] = np.einsum("ij->i", rows)
    return sums


def _moments(columns: dict[str, pa.Array]) -> Iterator[Mask]:
    examples = _dense(columns["num_examples"])
    for block in SIGNED:
        total, squares = columns.get(f"{block}.loss_sum"), columns.get(f"{block}.loss_sumsq")
        if total is not None and squares is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # then `_numbers` has doubts too
                least = _dense(total) ** 2 / np.maximum(examples, 1)
            wrong = ~(_dense(squares) >= least * (1 - SLACK) - SLACK)
            yield wrong & ~(_null(total) | _null(squares)) if wrong.any() else wrong
        if (right := columns.get(f"{block}.correct_count")) is not None:
            numbers = _dense(right)  # what was not told is 0 here, and so within bounds
            yield ~((numbers >= 0) & (numbers <= examples))


def _among(array: pa.Array, allowed: pa.Array) -> Mask:
    """Which are null or one of these."""
    found: Mask = _null(array) | np.asarray(pc.is_in(array, value_set=allowed))
    return found


def _dense(array: pa.Array) -> NDArray[Any]:
    """The numbers, 0 for what is null."""
    whole = array.fill_null(0) if array.null_count else array
    numbers: NDArray[Any] = whole.to_numpy()
    return numbers


def _null(array: pa.Array) -> Mask:
    if array.null_count == 0:
        return np.zeros(len(array), dtype=np.bool_)
    return np.asarray(array.is_null())


def _told(array: pa.Array) -> Mask:
    told: Mask = ~_null(array)
    return told
