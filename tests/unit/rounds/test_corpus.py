"""The corpus of bad bodies: each gets the answer that stands beside it, and none a 5xx.

A line of `corpus/*.jsonl` is one body. `at` and `put` say which field of a good push holds which
JSON text; `body`, `hex` and `repeat` are raw bytes; `columns` is an Arrow stream by its columns'
types and values. `problem` is the type of the answer, `field` and `code` what it names; its status
is 422 unless `status` says otherwise.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from sqlmodel import func, select

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from app.rounds.arrow_stream import MEDIA_TYPE
from app.rounds.tables import ReportBlock, Round
from tests.rounds import BIN_SPEC, body

CORPUS = Path(__file__).parent / "corpus"
FEDERATION = "/v1/federations/flights"
Case = dict[str, Any]


def cases(*, bin_specs: bool) -> Iterator[Any]:
    for file in sorted(CORPUS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            if (file.stem == "bin_specs") == bin_specs:
                case = json.loads(line)
                yield pytest.param(case, id=f"{file.stem}: {case['name']}")


@dataclass(frozen=True)
class House:
    """The API, with a key that may push, and a bin spec."""

    api: TestClient
    database: Database
    headers: dict[str, str]
    spec: str


@pytest.fixture(scope="module")
def house(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    settings = Settings(data_dir=folder, secret="s" * 32)
    app = create_app(settings)
    app.state.database = database = Database(settings.database)
    found = FederationIn(name="flights", title="Flights", cohort_tags={"hub": ["EWR", "JFK"]})
    ingest = KeyIn(holder="server", role=Role.INGEST)
    with database.session_scope() as session:
        ours = federations.create(session, found, "test")
        key = federations.issue_key(session, ours, ingest, "test", settings.secret_key)[1]
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(app, raise_server_exceptions=False) as api:
        made = api.post(f"{FEDERATION}/bin-specs", json=BIN_SPEC, headers=headers)
        yield House(api, database, headers, made.json()["id"])
    database.dispose()


def with_text(tree: Any, path: str, text: str) -> bytes:
    """The tree as JSON, with `text` in the place that `path` names."""
    at = tree
    *parents, last = path.split(".")
    for part in parents:
        at = at[int(part)] if part.isdigit() else at.setdefault(part, {})
    at[int(last) if last.isdigit() else json.loads(f'"{last}"')] = "@@"
    return json.dumps(tree).replace('"@@"', text).encode("utf-8", "surrogatepass")


def push_of(case: Case, spec: str) -> bytes:
    if "columns" in case:
        return stream(case, spec)
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "repeat" in case:
        text, times = case["repeat"]
        return text.encode() * times
    if "body" in case:
        return str(case["body"]).encode()
    tree = body(spec=spec)
    if "phase" in case:
        tree["model"]["canary_version"] = "2"
    return with_text(tree, case["at"], case["put"])


PLAIN = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "halffloat": pa.float16(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "binary": pa.binary(),
    "null": pa.null(),
    "timestamp": pa.timestamp("s"),
    "decimal": pa.decimal128(5, 2),
    "struct": pa.struct({"a": pa.int64()}),
    "map": pa.map_(pa.string(), pa.int64()),
}


def type_of(name: str, size: int) -> pa.DataType:
    outer, _, inner = name.removesuffix(">").partition("<")
    if not inner:
        return PLAIN[name]
    item = type_of(inner, size)
    lists = {"list": pa.list_, "large_list": pa.large_list}
    return pa.list_(item, size) if outer == "fixed" else lists[outer](item)


def array(kind: str, values: list[Any]) -> pa.Array:
    size = len(values[0]) if values and isinstance(values[0], list) else 0
    numbers = [_number(value) for value in values]
    return pa.array(numbers, type_of(kind, size))


def _number(value: Any) -> Any:
    """JSON has no NaN; the corpus spells it."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, dict) and "key" in value:
        return (value["key"], value["value"])
    return float(value) if value in ("nan", "inf", "-inf") else value


def stream(case: Case, spec: str) -> bytes:
    arrays = {name: array(*column) for name, column in case["columns"].items()}
    envelope = {**body(spec=spec), **case.get("envelope", {})}
    if "clients" not in case.get("envelope", {}):
        envelope.pop("clients")
    names, columns = list(arrays), list(arrays.values())
    if "twice" in case:
        names, columns = [*names, case["twice"]], [*columns, arrays[case["twice"]]]
    metadata = case.get("metadata", {"vigie": json.dumps(envelope)})
    fields = [pa.field(name, one.type) for name, one in zip(names, columns, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, metadata=metadata))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=case.get("compression"))
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        for _ in range(case.get("times", 1)):
            writer.write_batch(batch)
    made: bytes = sink.getvalue().to_pybytes()
    return made[: len(made) - case.get("cut", 0)]


def check(answer: Any, case: Case) -> None:
    assert answer.status_code == case.get("status", 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == f"urn:vigie:problem:{case['problem']}"
    if "code" in case:
        found = [(error["field"], error["code"]) for error in told["errors"]]
        assert (case["field"], case["code"]) in found


def stored(house: House) -> list[int]:
    """How many rounds and chunks there are."""
    with house.database.read_scope() as session:
        counts = (select(func.count()).select_from(table) for table in (Round, ReportBlock))
        return [session.exec(count).one() for count in counts]


@pytest.mark.parametrize("case", list(cases(bin_specs=False)))
def test_a_bad_push_gets_the_answer_beside_it(house: House, case: Case) -> None:
    kind = {"Content-Type": MEDIA_TYPE} if "columns" in case else {}
    url = f"{FEDERATION}/runs/run-1/rounds/1/{case.get('phase', 'evaluate')}"
    headers = {**house.headers, **kind, **case.get("headers", {})}
    before = stored(house)
    answer = house.api.post(url, content=push_of(case, house.spec), headers=headers)
    check(answer, case)
    assert stored(house) == before


@pytest.mark.parametrize("case", list(cases(bin_specs=True)))
def test_a_bad_bin_spec_gets_the_answer_beside_it(house: House, case: Case) -> None:
    tree = json.loads(json.dumps(BIN_SPEC))
    raw = with_text(tree, case["at"], case["put"])
    headers = {**house.headers, "Content-Type": "application/json"}
    answer = house.api.post(f"{FEDERATION}/bin-specs", content=raw, headers=headers)
    check(answer, case)


def test_the_corpus_is_large_and_says_each_thing_once() -> None:
    names = [case.id for bin_specs in (False, True) for case in cases(bin_specs=bin_specs)]
    assert len(names) == len(set(names)) >= 300
