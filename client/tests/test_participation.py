from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from vigie_client.participation import content_bytes, error_code, participation


def test_whoever_neither_replied_nor_failed_timed_out() -> None:
    block = participation(available=9, sampled=8, replied=5, errors=["Boom!", "Boom?"])
    assert block == {
        "available": 9,
        "sampled": 8,
        "replied": 5,
        "timed_out": 1,
        "errors": {"Boom_": 2},
    }


def test_a_framework_that_miscounts_yields_nothing_negative() -> None:
    block = participation(available=0, sampled=1, replied=2, errors=["x"])
    assert (block["available"], block["timed_out"]) == (1, 0)


@pytest.mark.parametrize(
    ("latencies", "p50", "p95"),
    [([7.0], 7.0, 7.0), ([4.0, 2.0], 3.0, 3.9), ([float(ms) for ms in range(101)], 50.0, 95.0)],
)
def test_percentiles_of_what_was_seen(latencies: list[float], p50: float, p95: float) -> None:
    block = participation(available=1, sampled=1, replied=1, errors=[], latencies_ms=latencies)
    assert (block["latency_p50_ms"], block["latency_p95_ms"]) == (p50, pytest.approx(p95))


def test_bytes_are_told_where_they_were_counted() -> None:
    block = participation(available=1, sampled=1, replied=1, errors=[], bytes_up=0)
    assert (block["bytes_up"], "bytes_down" in block) == (0, False)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EXECUTION_EXCEPTION", "EXECUTION_EXCEPTION"),
        ("no such node", "no_such_node"),
        ("..hidden", "hidden"),
        ("é" * 3, "unknown"),
        ("", "unknown"),
        ("x" * 100, "x" * 63),
    ],
)
def test_an_errors_name_becomes_a_code(name: str, code: str) -> None:
    assert error_code(name) == code


class FlowersArray:
    data = b"12345"


class Fields(Mapping[str, Any]):
    """A mapping that is no dict, as Flower's records are."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Any:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (None, 0),
        (object(), 0),
        ("héé", 3),
        (b"123", 3),
        ([1, 2.0, True], 24),
        (np.zeros((3, 5), np.float32), 60),
        ({"a": {"bc": [b"1", None]}}, 4),
        (Fields(w=FlowersArray(), n=1), 1 + 5 + 1 + 8),
    ],
)
def test_the_bytes_of_a_content(content: object, size: int) -> None:
    assert content_bytes(content) == size
