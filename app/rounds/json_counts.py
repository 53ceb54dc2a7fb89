"""Counts straight from JSON text: lists of whole numbers, by a few sweeps over all their bytes.

A decoder makes a Python object of every count, and numpy a number of every object; here a push's
lists are read at once. Lists of other numbers take the long way, through msgspec.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.rounds.columns import numbers_in
from app.rounds.layout import Column

WHITESPACE = b" \t\n\r"
MAX_DIGITS = 9  # of a number that int32 holds, whichever it is


def read(texts: Sequence[msgspec.Raw], column: Column) -> NDArray[Any]:
    """The counts of some records, each one JSON value, of shape (texts, size).

    They are int32 if all are whole, written with `MAX_DIGITS` at most, and else float64.

    Raises:
        WrongLengthError: if one has not the column's shape.
        MsgspecError: if one is no list of numbers.
    """
    numbers = _whole(texts, column)
    if numbers is not None:
        return numbers
    decoder = _decoder(column.matrix)
    return numbers_in(column, [decoder.decode(text) for text in texts])


def _whole(texts: Sequence[msgspec.Raw], column: Column) -> NDArray[np.int32] | None:
    """The counts if all are plain digits: then what stands between them is known beforehand."""
    text = b",".join((*texts, b""))
    if b" " in text:
        text = text.translate(None, WHITESPACE)
    marks, slots = _between(column)
    letters = np.frombuffer(text, np.uint8)
    digits = letters - ord("0")  # of unsigned bytes: whatever is no digit is above 9
    places = np.flatnonzero(digits > 9)  # noqa: PLR2004 - the last digit
    if letters.take(places).tobytes() != marks * len(texts):
        return None
    by_record = places.reshape(len(texts), len(marks))
    last = by_record.take(slots, axis=1).ravel() - 1
    lengths = last - by_record.take(slots - 1, axis=1).ravel()
    longest = lengths.max()
    if lengths.min() == 0 or longest > MAX_DIGITS:
        return None
    numbers = digits.take(last).astype(np.int32)
    for power in range(1, longest):
        numbers += digits.take(last - power) * (lengths > power) * np.int32(10**power)
    return numbers.reshape(len(texts), column.size)


@cache
def _between(column: Column) -> tuple[bytes, NDArray[np.intp]]:
    """What stands before, between and after the numbers of a record; which of it ends a number."""
    row = b"[" + b"," * (column.columns - 1) + b"]"
    marks = (b"[" + b",".join([row] * column.rows) + b"]" if column.matrix else row) + b","
    pairs = pairwise(marks)
    ends = [place for place, pair in enumerate(pairs, 1) if pair[0] in b"[," and pair[1] in b",]"]
    return marks, np.array(ends)


@cache
def _decoder(matrix: bool) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(list[list[float]] if matrix else list[float])
