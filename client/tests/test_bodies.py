"""Bodies: the same content, the same bytes, whatever made it."""

import gzip
import json

import pytest

from vigie_client.bodies import Body, encode


def test_equal_contents_give_equal_bytes() -> None:
    one = encode({"b": 1, "clients": [{"y": 1, "x": 2}], "a": None})
    other = encode({"clients": ({"x": 2, "y": 1},), "a": None, "b": 1})
    assert one == other
    assert one.data == b'{"a":null,"b":1,"clients":[{"x":2,"y":1}]}'
    assert one.media_type == "application/json"


@pytest.mark.parametrize("content", [{}, {"clients": []}, {"clients": None}, {"clients": 3}])
def test_odd_contents_are_json_all_the_same(content: dict[str, object]) -> None:
    assert json.loads(encode(content).data) == content


def test_many_records_keep_their_order() -> None:
    content = {"a": 1, "clients": [{"n": number} for number in range(1000)]}
    assert json.loads(encode(content).data) == content


@pytest.mark.parametrize("content", [{"clients": [{}, {"x": float("nan")}]}, {"x": b""}])
def test_what_cannot_be_sent_is_named_with_its_path(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(clients\.1\.x|x) is "):
        encode(content)


def test_large_bodies_are_packed_and_small_ones_not() -> None:
    small, large = Body(b"x" * 8192), Body(b"x" * 8193, "application/x-bulk")
    assert small.packed() == (small.data, {"Content-Type": "application/json"})
    data, headers = large.packed()
    assert gzip.decompress(data) == large.data
    assert headers == {"Content-Type": "application/x-bulk", "Content-Encoding": "gzip"}
    assert large.packed() == (data, headers)
