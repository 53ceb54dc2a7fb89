"""Bodies: the same content, the same bytes, whatever made it."""

import gzip
import json
from typing import Any

import pytest

from vigie_client.bodies import Body, Encoder


def test_equal_contents_give_equal_bytes() -> None:
    one = Encoder().encode({"b": 1, "clients": [{"y": 1, "x": 2}], "a": None})
    other = Encoder().encode({"clients": ({"x": 2, "y": 1},), "a": None, "b": 1})
    assert one == other
    assert one.data == b'{"a":null,"b":1,"clients":[{"x":2,"y":1}]}'
    assert one.media_type == "application/json"


@pytest.mark.parametrize("content", [{}, {"clients": []}, {"clients": None}, {"clients": 3}])
def test_odd_contents_are_json_all_the_same(content: dict[str, object]) -> None:
    assert json.loads(Encoder().encode(content).data) == content


def test_many_records_keep_their_order() -> None:
    content = {"a": 1, "clients": [{"n": number} for number in range(1000)]}
    assert json.loads(Encoder().encode(content).data) == content


@pytest.mark.parametrize("content", [{"clients": [{}, {"x": float("nan")}]}, {"x": b""}])
def test_what_cannot_be_sent_is_named_with_its_path(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(clients\.1\.x|x) is "):
        Encoder().encode(content)


def test_large_bodies_are_packed_and_small_ones_not() -> None:
    small, large = Body(b"x" * 8192), Body(b"x" * 8193, "application/x-bulk")
    assert small.packed() == (small.data, {"Content-Type": "application/json"})
    data, headers = large.packed()
    assert gzip.decompress(data) == large.data
    assert headers == {"Content-Type": "application/x-bulk", "Content-Encoding": "gzip"}
    assert large.packed() == (data, headers)


def records_of(body: Body) -> list[dict[str, int]]:
    content = json.loads(body.data)
    assert content.pop("a") == 1
    assert list(content) == ["clients"]
    return list(content["clients"])


@pytest.mark.parametrize(("records", "sizes"), [(20_000, [20_000]), (20_001, [10_001, 10_000])])
def test_a_round_of_more_clients_than_a_body_holds_is_split(records: int, sizes: list[int]) -> None:
    content = {"a": 1, "clients": [{"n": number} for number in range(records)]}
    bodies = Encoder("json").encode_in_chunks(content)
    assert [len(records_of(body)) for body in bodies] == sizes
    assert [record for body in bodies for record in records_of(body)] == content["clients"]


@pytest.mark.parametrize("most_bytes", [50, 200, 1000, 3000, 10_000])
def test_a_round_of_more_bytes_than_a_body_holds_is_split(most_bytes: int) -> None:
    clients = [{"n": 10**number} for number in range(100)]
    bodies = Encoder("json", most_bytes).encode_in_chunks({"a": 1, "clients": clients})
    assert [record for body in bodies for record in records_of(body)] == clients
    assert all(len(body.data) <= most_bytes or len(records_of(body)) == 1 for body in bodies)
    assert bodies == Encoder("json", most_bytes).encode_in_chunks({"a": 1, "clients": clients})


@pytest.mark.parametrize("content", [{}, {"clients": []}, {"clients": 3}])
def test_what_has_no_records_is_one_body(content: dict[str, object]) -> None:
    assert Encoder(most_bytes=1).encode_in_chunks(content) == [Encoder().encode(content)]


def test_a_fault_in_a_later_chunk_has_its_place_in_the_whole() -> None:
    clients = [{"n": 1}] * 99 + [{"n": float("nan")}]
    with pytest.raises(ValueError, match=r"^clients\.99\.n is nan"):
        Encoder(most_bytes=100).encode_in_chunks({"clients": clients})


@pytest.mark.parametrize("options", [{"bulk": "csv"}, {"most_bytes": 0}])
def test_choices_that_cannot_be_kept_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected one of auto, json, arrow|at least 1"):
        Encoder(**options)
