import json
import math
from typing import Any

import pytest

from vigie_client.canonical import canonical


def test_equal_values_give_equal_bytes() -> None:
    one = {"b": [1, 2.5], "a": {"y": None, "x": "é"}}
    other = {"a": {"x": "é", "y": None}, "b": [1, 2.5]}
    assert canonical(one) == canonical(other) == '{"a":{"x":"é","y":null},"b":[1,2.5]}'.encode()
    assert json.loads(canonical(one)) == one


class Count(int):
    """Numpy's integers are no ``int``; this one is."""


class Foreign:
    """Something that JSON does not know."""


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "\ud800", b"x", {1, 2}, Foreign()])
def test_the_first_bad_value_is_named(bad: object) -> None:
    body = {"clients": [{"metrics": {"loss_sum": 1.0}}, {"metrics": {"loss_sum": bad}}]}
    with pytest.raises(
        ValueError, match=r"^clients\.1\.metrics\.loss_sum is .*; expected a finite"
    ):
        canonical(body)


def test_a_subclass_of_int_is_a_number() -> None:
    assert canonical({"n": Count(3)}) == b'{"n":3}'


def test_keys_must_be_text() -> None:
    with pytest.raises(ValueError, match=r"^The keys of clients\.0 are not all text"):
        canonical({"clients": [{1: "a", "b": "c"}]})
    with pytest.raises(ValueError, match=r"^The keys of The body are not all text"):
        canonical({"\udfff": 1})


def test_a_cycle_and_a_bottomless_body_are_refused() -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    with pytest.raises(ValueError, match="nested more than 64 deep, or contains itself"):
        canonical(cycle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        canonical(deep)
