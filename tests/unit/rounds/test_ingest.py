"""Pushing a round: receipts, idempotency, quarantine, and the outbox row that comes with it."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import func, select

from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations.roles import Role
from app.rounds.tables import Refusal, ReportBlock, Round
from tests.rounds import BIN_SPEC, body, record

URL = "/v1/federations/flights/runs/run-1/rounds/1/evaluate"


@pytest.fixture
def push(api: TestClient, key_of: Callable[..., dict[str, str]]) -> Callable[..., Any]:
    """`push(body, url=...)`: push as an FL server, raw bytes or a dict."""
    headers = key_of(Role.INGEST)

    def send(content: Any, url: str = URL) -> Any:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return api.post(url, content=raw, headers=headers)

    return send


@pytest.fixture
def spec(api: TestClient, key_of: Callable[..., dict[str, str]]) -> str:
    """A bin spec of the federation."""
    answer = api.post(
        "/v1/federations/flights/bin-specs", json=BIN_SPEC, headers=key_of(Role.INGEST)
    )
    return str(answer.json()["id"])


def rows(database: Database, table: type) -> int:
    with database.read_scope() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def test_a_round_and_its_outbox_row_are_stored_before_the_202(
    push: Callable[..., Any], spec: str, database: Database
) -> None:
    answer = push(body(record("AA"), record("UA"), spec=spec))
    assert answer.status_code == 202, answer.text
    receipt = answer.json()
    assert (receipt["accepted"], receipt["quarantined"], receipt["refusals"]) == (2, 0, [])
    with database.read_scope() as session:
        assert session.exec(select(ReportBlock)).one().accepted == 2
        row = session.exec(select(OutboxRow)).one()
        assert (row.task, str(row.subject)) == ("incidents.on_round", receipt["round_id"])


def test_the_same_body_gets_the_same_receipt_and_another_409(
    push: Callable[..., Any], spec: str, database: Database
) -> None:
    first, again = push(body(spec=spec)), push(body(spec=spec))
    assert first.json() == again.json()
    other = push(body(record(n=101), spec=spec))
    assert other.status_code == 409
    assert other.json()["type"] == "urn:vigie:problem:conflicting_push"
    assert rows(database, Round) == rows(database, OutboxRow) == 1


def test_a_gzipped_push_is_the_same_push(
    api: TestClient, key_of: Callable[..., dict[str, str]], push: Callable[..., Any], spec: str
) -> None:
    plain = json.dumps(body(spec=spec)).encode()
    packed = key_of(Role.INGEST) | {"Content-Encoding": "gzip"}
    first = api.post(URL, content=gzip.compress(plain), headers=packed)
    assert first.status_code == 202, first.text
    assert push(plain).json() == first.json()


def test_a_higher_attempt_supersedes_and_a_lower_one_comes_too_late(
    push: Callable[..., Any], spec: str, database: Database
) -> None:
    assert push(body(spec=spec, attempt=2)).status_code == 202
    assert push(body(spec=spec, attempt=3)).status_code == 202
    assert push(body(spec=spec, attempt=1)).json()["type"] == "urn:vigie:problem:stale_attempt"
    with database.read_scope() as session:
        states = dict(session.exec(select(Round.attempt, Round.state)).all())
    assert states == {2: "superseded", 3: "received"}


def test_the_same_round_number_of_another_run_is_another_round(
    push: Callable[..., Any], spec: str, database: Database
) -> None:
    assert push(body(spec=spec)).status_code == 202
    assert push(body(spec=spec), URL.replace("run-1", "run-2")).status_code == 202
    assert rows(database, Round) == 2


def test_a_bad_record_is_refused_alone_and_leaves_no_content(
    push: Callable[..., Any], spec: str, database: Database
) -> None:
    bad = record("secret-airline") | {"label_counts": [-1, 3], "num_examples": 77}
    answer = push(body(record("AA"), bad, record("UA"), spec=spec))
    assert answer.status_code == 202
    receipt = answer.json()
    assert (receipt["accepted"], receipt["quarantined"]) == (2, 1)
    refusal = receipt["refusals"][0]
    assert (refusal["index"], refusal["field"], refusal["code"]) == (
        1,
        "clients.1.label_counts.0",
        "negative_count",
    )
    with database.read_scope() as session:
        kept = session.exec(select(Refusal)).one()
    assert bad["client"] not in kept.model_dump_json()
    assert len(kept.record_sha256) == 64


def test_refusals_are_counted_by_reason(
    api: TestClient, push: Callable[..., Any], spec: str, key_of: Callable[..., dict[str, str]]
) -> None:
    push(body(record("AA"), record("AA"), spec=spec))
    push(
        body(record(n=10, late=1) | {"num_examples": -1}, spec=spec),
        URL.replace("1/eval", "2/eval"),
    )
    counts = api.get("/v1/federations/flights/refusals", headers=key_of(Role.VIEWER)).json()
    assert counts == {"total": 2, "by_code": {"duplicate_client": 1, "greater_than_equal": 1}}


def test_noisy_counts_may_be_negative_when_the_noise_is_declared(
    push: Callable[..., Any], spec: str
) -> None:
    noisy = record() | {"label_counts": [-1.5, 30.25]}
    privacy = {"mechanism": "laplace", "epsilon": 1.0, "sensitivity": 1.0}
    assert push(body(noisy, spec=spec, privacy=privacy)).status_code == 202
    assert push(body(noisy, spec=spec, attempt=2)).status_code == 422


def test_the_push_and_its_audit_entry_are_one_transaction(
    push: Callable[..., Any], spec: str, database: Database
) -> None:
    from app.audit.tables import AuditEntry

    push(body(spec=spec))
    with database.read_scope() as session:
        actions = session.exec(select(AuditEntry.action).order_by(AuditEntry.seq)).all()
    assert actions[-1] == "round.ingest"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.INGEST])
def test_only_ingest_keys_push(
    api: TestClient, key_of: Callable[..., dict[str, str]], role: Role
) -> None:
    assert api.post(URL, json=body(), headers=key_of(role)).status_code == 403


def test_without_a_key_nothing_comes_in(api: TestClient, database: Database) -> None:
    assert api.post(URL, json=body()).status_code == 401
    assert rows(database, Refusal) == 0
