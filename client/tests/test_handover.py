"""The copy that a push leaves behind: whole, plain, and unable to do harm."""

import enum
import math
import os
import pickle
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

from vigie_client.handover import HandedOver
from vigie_client.push import Address

ADDRESS = Address("stroke", "run-1", 3, "fit")


class Site(str, enum.Enum):
    NORTH = "north"


class Step(enum.IntEnum):
    THIRD = 3


class Seconds(float):
    pass


class Counts(list[int]):
    pass


class Pair(NamedTuple):
    a: int
    b: int


def copied(content: dict[str, Any]) -> dict[str, Any]:
    return dict(HandedOver.from_bytes(HandedOver(ADDRESS, content).to_bytes()).content)


def test_everything_comes_back() -> None:
    content = {"a": [1, 2.5, None, True, "é\n", 10**30, {"b": []}], "x": -math.inf}
    round_ = HandedOver(ADDRESS, content, (1.5, 2.5))
    assert HandedOver.from_bytes(round_.to_bytes()) == round_
    assert HandedOver.from_bytes(HandedOver(ADDRESS, content).to_bytes()).span is None


def test_what_is_plain_in_all_but_its_class_becomes_plain() -> None:
    content = {
        "enum": Site.NORTH,
        "int": Step.THIRD,
        "float": Seconds(0.5),
        "list": Counts([1, 2]),
        "ordered": OrderedDict(a=Step.THIRD),
        "pair": Pair(1, 2),
        "float64": np.float64(1.5),
        "int8": np.int8(-3),
        "bool": np.bool_(True),
        "text": np.str_("a"),
        "array": np.arange(4).reshape(2, 2),
    }
    back = copied(content)
    assert back == {
        "enum": "north",
        "int": 3,
        "float": 0.5,
        "list": [1, 2],
        "ordered": {"a": 3},
        "pair": [1, 2],
        "float64": 1.5,
        "int8": -3,
        "bool": True,
        "text": "a",
        "array": [[0, 1], [2, 3]],
    }
    assert {type(value) for value in back.values()} == {str, dict, list, float, int, bool}


def test_the_copy_no_longer_follows_the_original() -> None:
    content = {"clients": [{"counts": [1]}]}
    data = HandedOver(ADDRESS, content).to_bytes()
    content["clients"][0]["counts"].append(2)
    assert HandedOver.from_bytes(data).content == {"clients": [{"counts": [1]}]}


@pytest.mark.parametrize("bad", [object(), np.datetime64("2026-01-01"), 1j, print])
def test_what_no_body_can_hold_is_named_at_once(bad: object) -> None:
    with pytest.raises(ValueError, match=r"clients\.0\.x is .*; expected a finite number"):
        HandedOver(ADDRESS, {"clients": [{"x": bad}]}).to_bytes()


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.putenv, ("VIGIE_HARMED", "yes"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]\n" + pickle.dumps({}),
        b'{"address": {}}\n',
        b'{"address":{"federation":"f","run":"r","round":1,"phase":"fit"},"span":null}\n'
        + pickle.dumps(Harm()),
        b'{"address":{"federation":"f","run":"r","round":1,"phase":"fit"},"span":null}\n'
        + pickle.dumps([1])[:-3],
        b'{"address":{"federation":"f","run":"r","round":1,"phase":"fit"},"span":null}\n'
        + pickle.dumps(7),
        b'{"address":{"federation":"f","run":"r","round":1,"phase":"no"},"span":[1,2]}\n',
    ],
)
def test_what_another_wrote_is_refused_and_never_run(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"copy|first line|phase|Expecting"):
        HandedOver.from_bytes(data)
    assert "VIGIE_HARMED" not in os.environ
