"""Every bad body gets a 4xx that names the field; nothing of it is stored; nothing answers 5xx."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import func, select

from app.core.database import Database
from app.federations.roles import Role
from app.rounds.tables import Refusal, ReportBlock, Round
from tests.rounds import BIN_SPEC, body, record

URL = "/v1/federations/flights/runs/run-1/rounds/1/evaluate"
PLACEHOLDER = '"@@"'


def with_value(path: str, json_text: str) -> bytes:
    """The good body with the text `json_text` in the place that `path` names."""
    tree: Any = body()
    *parents, last = path.split(".")
    at = tree
    for part in parents:
        at = at[int(part)] if part.isdigit() else at.setdefault(part, {})
    at[int(last) if last.isdigit() else last] = "@@"
    return json.dumps(tree).replace(PLACEHOLDER, json_text).encode("utf-8", "surrogatepass")


RECORD = "clients.0"
# path, JSON text put there, expected field, expected code
BAD_VALUES = [
    (f"{RECORD}.metrics.loss_sum", "NaN", f"{RECORD}.metrics.loss_sum", "not_finite"),
    (f"{RECORD}.metrics.loss_sum", "Infinity", f"{RECORD}.metrics.loss_sum", "not_finite"),
    (f"{RECORD}.metrics.loss_sum", "-Infinity", f"{RECORD}.metrics.loss_sum", "not_finite"),
    (f"{RECORD}.metrics.loss_sum", "1e999", f"{RECORD}.metrics.loss_sum", "finite_number"),
    (f"{RECORD}.metrics.loss_sum", "9" * 4400, f"{RECORD}.metrics.loss_sum", "huge_integer"),
    (f"{RECORD}.metrics.loss_sum", "9" * 17, f"{RECORD}.metrics.loss_sum", "less_than_equal"),
    (f"{RECORD}.metrics.loss_sum", '"12"', f"{RECORD}.metrics.loss_sum", "float_type"),
    (f"{RECORD}.metrics.loss_sum", "true", f"{RECORD}.metrics.loss_sum", "float_type"),
    (f"{RECORD}.metrics.loss_sumsq", "0", f"{RECORD}.metrics.loss_sumsq", "impossible_moments"),
    (
        f"{RECORD}.metrics.correct_count",
        "1000",
        f"{RECORD}.metrics.correct_count",
        "inconsistent_counts",
    ),
    (f"{RECORD}.metrics.accuracy", "0.9", f"{RECORD}.metrics.accuracy", "extra_forbidden"),
    (f"{RECORD}.num_examples", "-1", f"{RECORD}.num_examples", "greater_than_equal"),
    (f"{RECORD}.num_examples", "1.5", f"{RECORD}.num_examples", "int_type"),
    (f"{RECORD}.num_examples", "99999999999", f"{RECORD}.num_examples", "less_than_equal"),
    (f"{RECORD}.label_counts", "[-1, 5]", f"{RECORD}.label_counts.0", "negative_count"),
    (f"{RECORD}.label_counts", "[0.5, 5]", f"{RECORD}.label_counts.0", "broken_count"),
    (f"{RECORD}.label_counts", "[1, 2, 3]", f"{RECORD}.label_counts", "wrong_bin_count"),
    (f"{RECORD}.label_counts", "[90, 90]", f"{RECORD}.label_counts", "inconsistent_counts"),
    (f"{RECORD}.label_counts", "[1, NaN]", f"{RECORD}.label_counts.1", "not_finite"),
    (f"{RECORD}.score_histogram", "[1, 2, 3]", f"{RECORD}.score_histogram", "wrong_bin_count"),
    (f"{RECORD}.score_histogram", "[]", f"{RECORD}.score_histogram", "too_short"),
    (f"{RECORD}.features.hour", "[1, 2, 3]", f"{RECORD}.features.hour", "wrong_bin_count"),
    (f"{RECORD}.features.altitude", "[1, 2, 3]", f"{RECORD}.features.altitude", "no_bins"),
    (f"{RECORD}.features.origin", "[1, 2, 3]", f"{RECORD}.features.origin", "wrong_bin_count"),
    (f"{RECORD}.edges", "[0, 1]", f"{RECORD}.edges", "extra_forbidden"),
    (f"{RECORD}.rows", "[[1, 2]]", f"{RECORD}.rows", "extra_forbidden"),
    (f"{RECORD}.weights", "[0.1]", f"{RECORD}.weights", "extra_forbidden"),
    (f"{RECORD}.hostname", '"srv-1"', f"{RECORD}.hostname", "extra_forbidden"),
    (f"{RECORD}.comment", '"free text"', f"{RECORD}.comment", "extra_forbidden"),
    (f"{RECORD}.confusion", "[[1, 2]]", f"{RECORD}.confusion", "wrong_bin_count"),
    (f"{RECORD}.confusion", "[[1, 2], [3]]", f"{RECORD}.confusion.1", "wrong_bin_count"),
    (f"{RECORD}.canary", "{}", f"{RECORD}.canary", "canary_out_of_phase"),
    (f"{RECORD}.cohorts.hub", '"ORD"', f"{RECORD}.cohorts.hub", "unknown_cohort_tag"),
    (f"{RECORD}.cohorts.planet", '"earth"', f"{RECORD}.cohorts.planet", "unknown_cohort_tag"),
    (f"{RECORD}.client", '"ada@example.org"', f"{RECORD}.client", "identity_like_pseudonym"),
    (f"{RECORD}.client", '"192.168.1.7"', f"{RECORD}.client", "identity_like_pseudonym"),
    (f"{RECORD}.client", '"fe80::1"', f"{RECORD}.client", "identity_like_pseudonym"),
    (f"{RECORD}.client", '"00-1b-44-11-3a-b7"', f"{RECORD}.client", "identity_like_pseudonym"),
    (f"{RECORD}.client", '"8376520984120985"', f"{RECORD}.client", "identity_like_pseudonym"),
    (f"{RECORD}.client", '"ward7.hospital.org"', f"{RECORD}.client", "identity_like_pseudonym"),
    (f"{RECORD}.client", '"Mercy Hospital"', f"{RECORD}.client", "malformed_pseudonym"),
    (f"{RECORD}.client", '"c_\\u0000"', f"{RECORD}.client", "malformed_pseudonym"),
    (f"{RECORD}.client", '"\\ud800"', f"{RECORD}.client", "malformed_pseudonym"),
    (f"{RECORD}.client", "7", f"{RECORD}.client", "string_type"),
    (f"{RECORD}.error_code", '"a\\u0000b"', f"{RECORD}.error_code", "string_pattern_mismatch"),
    (f"{RECORD}.update.cosine", "3.0", f"{RECORD}.update.cosine", "less_than_equal"),
    (RECORD, "[]", RECORD, "model_type"),
    (RECORD, "null", RECORD, "model_type"),
    ("clients", "[]", "clients", "missing"),
    ("clients", "{}", "clients", "missing"),
    ("clients", "NaN", "clients", "not_finite"),
    ("schema_version", "2", "schema_version", "literal_error"),
    ("attempt", "0", "attempt", "greater_than_equal"),
    ("global_step", "NaN", "global_step", "not_finite"),
    ("global_step", "-1", "global_step", "greater_than_equal"),
    ("global_step", "99999999999", "global_step", "less_than_equal"),
    ("started_at", '"0001-01-01T00:00:00+14:00"', "started_at", "value_error"),
    ("started_at", '"2013-06-10T00:00:00"', "started_at", "timezone_aware"),
    ("started_at", "1370822400", "started_at", "value_error"),
    ("ended_at", '"2013-01-01T00:00:00Z"', "ended_at", "ends_before_start"),
    ("bin_spec", '"bs_0000000000000000"', "bin_spec", "unknown_bin_spec"),
    ("model.name", '"a b"', "model.name", "string_pattern_mismatch"),
    ("model.weights_sha256", '"abc"', "model.weights_sha256", "string_pattern_mismatch"),
    ("retrain_request", '"no uuid"', "retrain_request", "uuid_parsing"),
    ("privacy.mechanism", '"laplace"', "privacy.epsilon", "noise_undeclared"),
    (
        "privacy",
        '{"mechanism": "gaussian", "epsilon": 1.0, "sensitivity": 1.0}',
        "privacy.delta",
        "noise_undeclared",
    ),
    ("privacy.secure_aggregation", "true", "privacy.cohort_size", "cohort_too_small"),
    ("participation.errors", '{"a b": 1}', "participation.errors.?", "string_pattern_mismatch"),
    ("extra", "1", "extra", "extra_forbidden"),
]


@pytest.fixture
def push(api: TestClient, key_of: Callable[..., dict[str, str]]) -> Callable[[bytes], Any]:
    """Push raw bytes as an FL server; a body that names no bin spec gets the federation's."""
    headers = key_of(Role.INGEST)
    spec = api.post("/v1/federations/flights/bin-specs", json=BIN_SPEC, headers=headers).json()[
        "id"
    ]

    def send(raw: bytes) -> Any:
        if b'"bin_spec"' not in raw:
            raw = raw.replace(b"{", b'{"bin_spec": "' + spec.encode() + b'", ', 1)
        return api.post(URL, content=raw, headers=headers)

    return send


@pytest.mark.parametrize(("path", "text", "field", "code"), BAD_VALUES)
def test_a_bad_value_is_refused_by_name(
    push: Callable[[bytes], Any], database: Database, path: str, text: str, field: str, code: str
) -> None:
    answer = push(with_value(path, text))
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    errors = {error["field"]: error["code"] for error in problem["errors"]}
    assert errors.get(field) == code, problem
    with database.read_scope() as session:
        assert session.exec(select(func.count()).select_from(Round)).one() == 0
        assert session.exec(select(func.count()).select_from(ReportBlock)).one() == 0
        assert session.exec(select(func.count()).select_from(Refusal)).one() == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"{} trailing",
        b'{"clients": [' + b"9" * 5000,
    ],
    ids=["empty", "cut", "list", "null", "text", "utf-16", "deep", "deep-objects", "trail", "cut2"],
)
def test_what_is_not_one_json_object_is_400_and_counted(
    push: Callable[[bytes], Any], database: Database, raw: bytes
) -> None:
    answer = push(raw)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    with database.read_scope() as session:
        assert session.exec(select(func.count()).select_from(Refusal)).one() == 1


def test_a_record_over_its_cap_is_refused_alone(push: Callable[[bytes], Any]) -> None:
    heavy = record("UA") | {"features": {f"f{n}": [1] * 1000 for n in range(40)}}
    receipt = push(json.dumps(body(record("AA"), heavy)).encode()).json()
    assert (receipt["accepted"], receipt["quarantined"]) == (1, 1)
    assert receipt["refusals"][0]["code"] == "record_too_large"


def test_a_duplicate_key_spoils_its_record_alone(push: Callable[[bytes], Any]) -> None:
    good = json.dumps(record("AA"))
    twice = json.dumps(record("UA"))[:-1] + ', "num_examples": 5}'
    raw = json.dumps(body()).replace(json.dumps(body()["clients"]), f"[{good}, {twice}]").encode()
    receipt = push(raw).json()
    assert (receipt["accepted"], receipt["quarantined"]) == (1, 1)
    assert receipt["refusals"][0]["field"] == "clients.1.num_examples"
    assert receipt["refusals"][0]["code"] == "duplicate_key"


def test_a_body_over_the_cap_is_413_before_it_is_read(
    api: TestClient, key_of: Callable[..., dict[str, str]]
) -> None:
    headers = key_of(Role.INGEST)
    assert api.post(URL, content=b" " * (8 * 2**20 + 1), headers=headers).status_code == 413

    def stream() -> Any:
        for _ in range(9):
            yield b" " * 2**20

    answer = api.post(URL, content=stream(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:vigie:problem:body_too_large"


def test_a_refusal_echoes_nothing_that_was_sent(push: Callable[[bytes], Any]) -> None:
    answer = push(with_value(f"{RECORD}.ada@example\\u002eorg", '"s3cret"'))
    assert "s3cret" not in answer.text
    assert "example" not in answer.text


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
paths = st.sampled_from(sorted({path for path, *_ in BAD_VALUES}))


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(path=paths, value=json_values)
def test_no_value_in_any_field_answers_5xx(
    push: Callable[[bytes], Any], path: str, value: Any
) -> None:
    answer = push(with_value(path, json.dumps(value)))
    assert answer.status_code in {202, 400, 409, 422}


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(raw=st.binary(max_size=200))
def test_no_bytes_answer_5xx(push: Callable[[bytes], Any], raw: bytes) -> None:
    assert push(raw).status_code in {400, 422}
