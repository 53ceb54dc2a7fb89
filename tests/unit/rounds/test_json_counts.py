"""Counts from JSON text: the same as a JSON parser reads, or a refusal."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rounds import json_counts
from app.rounds.columns import WrongLengthError
from app.rounds.layout import Column, Kind

VECTOR, MATRIX = Column("v", Kind.COUNTS, 1, 3), Column("m", Kind.COUNTS, 2, 3, matrix=True)
WHOLE = st.sampled_from(["0", "7", "10", "999", "123456789", "2147483647", "123456789012345"])
OTHER = st.sampled_from(["-0", "-1", "1.0", "0.5", "1e2", "-2.5E-3", "1e15"])
SPACE = st.sampled_from(["", "", " ", "\n\t"])


@st.composite
def texts(draw: st.DrawFn, column: Column) -> str:
    numbers = WHOLE if draw(st.booleans()) else WHOLE | OTHER
    rows = [[draw(numbers) for _ in range(column.columns)] for _ in range(column.rows)]
    comma, space = f"{draw(SPACE)},{draw(SPACE)}", draw(SPACE)
    lists = [f"[{space}{comma.join(row)}{space}]" for row in rows]
    return f"[{comma.join(lists)}]" if column.matrix else lists[0]


def raws(told: list[str]) -> list[msgspec.Raw]:
    return msgspec.json.decode(f"[{','.join(told)}]", type=list[msgspec.Raw])


@pytest.mark.parametrize("column", [VECTOR, MATRIX], ids=["vector", "matrix"])
@given(data=st.data())
def test_counts_are_those_that_a_parser_reads(column: Column, data: st.DataObject) -> None:
    told = data.draw(st.lists(texts(column), min_size=1, max_size=4))
    numbers = json_counts.read(raws(told), column)
    expected = np.array([json.loads(text) for text in told], np.float64)
    assert numbers.shape == (len(told), column.size)
    assert np.array_equal(numbers, expected.reshape(len(told), column.size))


def test_plain_digits_take_the_short_way() -> None:
    assert json_counts.read(raws(["[1,22,333]", "[0, 5, 999999999]"]), VECTOR).dtype == np.int32
    assert json_counts.read(raws(["[1,22,2147483648]"]), VECTOR).dtype == np.float64


WRONG: list[tuple[Column, list[str]]] = [
    (VECTOR, ["[1,2]"]),
    (VECTOR, ["[1,2,3,4]"]),
    (VECTOR, ["[1,2]", "[3,4,5,6]"]),
    (VECTOR, ["[]"]),
    (VECTOR, ["[1,2,3]", "[]"]),
    (VECTOR, ["5"]),
    (VECTOR, ["5", "6", "7"]),
    (VECTOR, ["[[1,2,3]]"]),
    (VECTOR, ["[1,[2],3]"]),
    (VECTOR, ["[1,2,[3,4]]", "[5]"]),
    (VECTOR, ["[1,2,null]"]),
    (VECTOR, ["null"]),
    (VECTOR, ["[1,true,3]"]),
    (VECTOR, ['[1,"2",3]']),
    (VECTOR, ['"[1,2,3]"']),
    (VECTOR, ['{"a":[1,2,3]}']),
    (MATRIX, ["[1,2,3,4,5,6]"]),
    (MATRIX, ["[[1,2,3],[4,5]]"]),
    (MATRIX, ["[[1,2,3,4],[5,6]]"]),
    (MATRIX, ["[[1,2],[3,4],[5,6]]"]),
    (MATRIX, ["[[1,2,3]]", "[[4,5,6]]"]),
    (MATRIX, ["[[1,2,3],[4,5,6]]", "[[],[]]"]),
    (MATRIX, ["[[[1,2,3],[4,5,6]]]"]),
]


@pytest.mark.parametrize(("column", "told"), WRONG, ids=str)
def test_what_is_no_list_of_so_many_numbers_is_refused(column: Column, told: list[str]) -> None:
    with pytest.raises((WrongLengthError, msgspec.MsgspecError)):
        json_counts.read(raws(told), column)


MALFORMED = ["[01]", "[1,,2]", "[1.]", "[-]", "[1 2]", "[1,]", "[,1]", "[[1][2]]", "[+1]", "[.5]"]
MALFORMED += ["[1e]", "[0x1]", "[00]", "[NaN]", "[-01]", "[1_0]", "[1,2}", "[\u0661]", "[1\x00]"]


@pytest.mark.parametrize("text", MALFORMED)
def test_msgspec_leaves_only_wellformed_json_unread(text: str) -> None:
    """The sweep looks at what stands between digits, and trusts a `Raw` with the rest."""
    with pytest.raises(msgspec.DecodeError):
        raws([text])
