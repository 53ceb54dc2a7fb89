"""A round's records as a table: the same numbers, under the names that the reader may see."""

import io
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from app.federations.roles import Role
from tests.rounds import BIN_SPEC, body, pseudonym, record

FEDERATION = "/v1/federations/flights"
KeyOf = Callable[..., dict[str, str]]


@pytest.fixture
def round_id(api: TestClient, key_of: KeyOf) -> str:
    """A round of two clients, the labels of one in a chunk of their own."""
    key = key_of(Role.INGEST)
    spec = api.post(f"{FEDERATION}/bin-specs", json=BIN_SPEC, headers=key).json()["id"]
    known_later = {"label_counts": [80, 20]}
    first = record("AA")
    del first["label_counts"]
    later = {"client": pseudonym("AA"), "num_examples": 100} | known_later
    url = f"{FEDERATION}/runs/run-1/rounds/1/evaluate"
    for chunk, records in enumerate(([first, record("UA", n=50, late=5)], [later])):
        content = json.dumps(body(*records, spec=spec))
        answer = api.post(url, params={"chunk": chunk}, content=content, headers=key)
        assert answer.status_code == 202, answer.text
    return str(answer.json()["round_id"])


def read(content: bytes, form: str) -> pa.Table:
    return (
        pq.read_table(io.BytesIO(content))
        if form == "parquet"
        else pa.ipc.open_file(content).read_all()
    )


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_the_table_holds_what_was_pushed(
    api: TestClient, key_of: KeyOf, round_id: str, form: str
) -> None:
    url = f"{FEDERATION}/rounds/{round_id}/records"
    answer = api.get(url, params={"format": form}, headers=key_of(Role.OWNER))
    assert answer.status_code == 200, answer.text
    table = read(answer.content, form)
    rows = {row["client"]: row for row in table.to_pylist()}
    assert table.schema.field("label_counts").type.value_type == pa.float64()
    assert rows.keys() == {pseudonym("AA"), pseudonym("UA")}
    assert rows[pseudonym("AA")]["label_counts"] == [80, 20]
    assert rows[pseudonym("UA")]["num_examples"] == 50
    assert rows[pseudonym("UA")]["features.hour"] == [0, 25, 25, 0]


def test_who_may_not_read_pseudonyms_sees_display_names(
    api: TestClient, key_of: KeyOf, round_id: str
) -> None:
    url = f"{FEDERATION}/rounds/{round_id}/records"
    table = read(api.get(url, headers=key_of(Role.ON_CALL)).content, "parquet")
    assert all(name.startswith("d_") for name in table["client"].to_pylist())


def test_who_may_not_read_clients_gets_none(api: TestClient, key_of: KeyOf, round_id: str) -> None:
    url = f"{FEDERATION}/rounds/{round_id}/records"
    assert api.get(url, headers=key_of(Role.VIEWER)).status_code == 403
