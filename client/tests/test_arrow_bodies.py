"""Records as columns: what a service reads of them, and what stays JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vigie_client
from vigie_client.bodies import ARROW_FROM, JSON, Body, Encoder

pa: Any = pytest.importorskip("pyarrow", reason="vigie-client[arrow]")

STREAM = "application/vnd.apache.arrow.stream"
ENVELOPE = {"schema_version": 1, "model": {"name": "m", "version": "1"}, "global_step": 7}
ARROW = Encoder("arrow")


def client(number: int, **more: Any) -> dict[str, Any]:
    return {"client": f"c_{number:032x}", "num_examples": 9, **more}


def content(*records: dict[str, Any]) -> dict[str, Any]:
    return {**ENVELOPE, "clients": list(records)}


def read(body: Body) -> Any:
    assert body.media_type == STREAM
    with pa.ipc.open_stream(body.data) as reader:
        return reader.read_all()


FULL = {
    "status": "ok",
    "cohorts": {"hub": "EWR", "a.b": "x"},
    "metrics": {"loss_sum": 1, "correct_count": 2.5},
    "label_counts": [4, 5],
    "score_histogram": [0.5, 9],
    "features": {"hour": [1, 2, 6], "x.y": [9]},
    "projections": [[1, 2, 3], [4, 5, 6]],
    "confusion": [[1, 2], [3, 4]],
    "canary": {
        "metrics": {"loss_sum": 0.5},
        "agreement": [[1, 0], [0, 8]],
        "score_histogram": [3, 6],
        "confusion": None,
    },
    "update": {"norm": 2.0, "cosine": None},
    "resources": {"peak_mb": 10},
}


def test_every_field_is_a_column_by_its_path() -> None:
    table = read(ARROW.encode(content(client(1, **FULL), client(2, **FULL))))
    assert json.loads(table.schema.metadata[b"vigie"]) == ENVELOPE
    row = table.to_pylist()[0]
    assert row == {
        "client": f"c_{1:032x}",
        "num_examples": 9,
        "status": "ok",
        "cohorts.hub": "EWR",
        "cohorts.a.b": "x",
        "metrics.loss_sum": 1.0,
        "metrics.correct_count": 2.5,
        "label_counts": [4, 5],
        "score_histogram": [0.5, 9.0],
        "features.hour": [1, 2, 6],
        "features.x.y": [9],
        "projections": [1, 2, 3, 4, 5, 6],
        "confusion": [1, 2, 3, 4],
        "canary.metrics.loss_sum": 0.5,
        "canary.agreement": [1, 0, 0, 8],
        "canary.score_histogram": [3, 6],
        "update.norm": 2.0,
        "resources.peak_mb": 10.0,
    }
    types = {field.name: field.type for field in table.schema}
    assert types["label_counts"] == pa.list_(pa.int32(), 2)
    assert types["score_histogram"] == pa.list_(pa.float64(), 2)
    assert types["num_examples"] == pa.int64()
    assert types["metrics.loss_sum"] == pa.float64()
    assert types["status"] == pa.string()


def test_what_a_record_has_not_is_null() -> None:
    failed = client(2, status="timeout", num_examples=0)
    table = read(ARROW.encode(content(client(1, **FULL), failed)))
    gone = table.to_pylist()[1]
    assert {name for name, value in gone.items() if value is not None} == {
        "client", "num_examples", "status",
    }  # fmt: skip
    assert all(column.chunk(0).null_count <= 1 for column in table.columns)


def test_equal_contents_give_equal_bytes() -> None:
    mixed = [client(1, **FULL), client(2, status="error"), client(3, **FULL)]
    turned = [dict(reversed(record.items())) for record in mixed]
    one = ARROW.encode({**ENVELOPE, "clients": mixed})
    other = ARROW.encode({"clients": tuple(turned), **dict(reversed(ENVELOPE.items()))})
    assert one.media_type == STREAM
    assert one == other
    assert one == ARROW.encode({**ENVELOPE, "clients": mixed})


def test_counts_are_as_narrow_as_they_may_be_across_many_records() -> None:
    records = [client(n, label_counts=[n, -n], score_histogram=[n]) for n in range(300)]
    records[299] |= {"score_histogram": [2**40]}
    table = read(ARROW.encode(content(*records)))
    assert table.schema.field("label_counts").type == pa.list_(pa.int32(), 2)
    assert table.schema.field("score_histogram").type == pa.list_(pa.float64(), 1)
    assert table["label_counts"].to_pylist() == [[n, -n] for n in range(300)]
    assert table["score_histogram"].to_pylist()[-2:] == [[298.0], [2.0**40]]


ODD: list[tuple[Any, ...]] = [
    (client(1), client(2, extra=1)),
    (client(1), client(2, metrics={"mean": 0.5})),
    (client(1), client(2, canary={"label_counts": [1]})),
    (client(1), {"client": "c_1"}),
    ({"num_examples": 3}, {"num_examples": 3}),
    (client(1, num_examples=9.0),),
    (client(1, num_examples=True),),
    (client(1, num_examples=2**70),),
    (client(1, status=None),),
    (client(1, client=5),),
    (client(1, features={"hour": None}),),
    (client(1, label_counts=[1, 2]), client(2, label_counts=[1, 2, 3])),
    (client(1, label_counts=[]),),
    (client(1, label_counts=[1, None]),),
    (client(1, label_counts=[1, True]),),
    (client(1, label_counts=["1", 2]),),
    (client(1, label_counts=[[1, 2]]),),
    (client(1, label_counts=[2**60, 1]),),
    (client(1, label_counts={"a": 1}),),
    (client(1, confusion=[1, 2]),),
    (client(1, confusion=[[1, 2]]),),
    (client(1, confusion=[[1, 2], [3]]),),
    (client(1, metrics={"loss_sum": "1"}),),
    (client(1, metrics=3),),
    (client(1, features={"hour": [1]}), client(2)),
    (client(1, cohorts={"hub": "EWR"}), client(2, cohorts={"airport": "JFK"})),
    ("no record",),
]


@pytest.mark.parametrize("records", ODD)
def test_what_the_service_might_refuse_goes_as_json(records: tuple[Any, ...]) -> None:
    body = ARROW.encode(content(*records))
    assert body.media_type == JSON
    assert json.loads(body.data) == content(*records)


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), "\ud800"])
def test_what_cannot_be_sent_is_named_with_its_path(bad: object) -> None:
    field = {"cohorts": {"hub": bad}} if isinstance(bad, str) else {"metrics": {"loss_sum": bad}}
    with pytest.raises(ValueError, match=r"clients\.1\.(cohorts\.hub|metrics\.loss_sum) is "):
        ARROW.encode(content(client(1, **FULL), client(2, **{**FULL, **field})))
    with pytest.raises(ValueError, match=r"^x is nan"):
        ARROW.encode({"x": float("nan"), "clients": [client(1)]})


def test_large_rounds_are_columns_unless_told_otherwise() -> None:
    few, many = [[client(n) for n in range(size)] for size in (ARROW_FROM - 1, ARROW_FROM)]
    assert Encoder().encode(content(*few)).media_type == JSON
    assert Encoder().encode(content(*many)).media_type == STREAM
    assert Encoder("json").encode(content(*many)).media_type == JSON
    assert ARROW.encode(content(*few)).media_type == STREAM


def test_without_pyarrow_all_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vigie_client.bodies.find_spec", lambda _: None)
    many = [client(n) for n in range(ARROW_FROM)]
    assert Encoder().encode(content(*many)).media_type == JSON
    with pytest.raises(ValueError, match=r"pip install vigie-client\[arrow\]"):
        Encoder("arrow")


def test_importing_the_library_imports_no_pyarrow() -> None:
    program = "import sys, vigie_client; sys.exit('pyarrow' in sys.modules)"
    source = str(Path(vigie_client.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, check=False, timeout=30
    )
    assert done.returncode == 0
