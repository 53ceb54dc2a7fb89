"""Every request has an id: taken over or made, answered, told in problems and in the log."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.core import context
from app.core import logging as logs
from app.core.ids import new_id
from app.core.requests import HEADER, Requests
from app.core.settings import Settings
from tests.rounds import pseudonym

PSEUDONYM = pseudonym("AA")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What goes to the log, which is as it was afterwards."""
    root = logging.getLogger()
    before, level, text = root.handlers, root.level, io.StringIO()
    yield text
    root.handlers = before
    root.setLevel(level)


def configure(written: io.StringIO, log_format: str) -> None:
    logs.configure(Settings(log_format=log_format))
    logging.getLogger().handlers[0].setStream(written)  # type: ignore[attr-defined]


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    "given", ["run-1:round.12_a", "0", "x" * 64, "01999999-0000-7000-8000-00000000000a"]
)
def test_a_sane_id_is_taken_over(api: TestClient, given: str) -> None:
    assert api.get("/healthz", headers={HEADER: given}).headers[HEADER] == given


@pytest.mark.parametrize(
    "given",
    ["", " ", "a b", "x" * 65, "-a", "a/b", "a@b", "vg_1234567890abcdef", PSEUDONYM, "a\té"],
)
def test_another_is_replaced_by_one_of_our_own(api: TestClient, given: str) -> None:
    made = [api.get("/healthz", headers={HEADER: given.encode()}).headers[HEADER] for _ in "ab"]
    assert given not in made
    assert len({*made}) == 2
    assert {len(one) for one in made} == {36}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/federations/flights/rounds", {}, 401),
        ("/v1/nothing", {}, 404),
        ("/v1/federations/flights/rounds", {"content-encoding": "br"}, 415),
        ("/v1/federations/flights/rounds", {"content-length": "900000000"}, 413),
    ],
)
def test_a_problem_names_its_request(
    api: TestClient, path: str, headers: dict[str, str], status: int
) -> None:
    answer = api.post(path, headers=headers | {HEADER: "mine"})
    assert answer.status_code in {status, 405}
    assert answer.json()["request_id"] == answer.headers[HEADER] == "mine"


def failing() -> TestClient:
    app = FastAPI()
    app.add_middleware(Requests)

    @app.get("/things/{name}")
    def fail(name: str) -> None:
        secret = f"local {name}"
        raise RuntimeError(f"no {PSEUDONYM} for {len(secret)}")

    return TestClient(app, raise_server_exceptions=False)


def test_a_fault_of_the_service_is_a_problem_whose_id_finds_the_trace_in_the_log(
    written: io.StringIO,
) -> None:
    configure(written, "json")
    answer = failing().get("/things/hush", headers={HEADER: "mine"})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:vigie:problem:internal_error")
    assert answer.json()["request_id"] == answer.headers[HEADER] == "mine"
    failed, answered = (line for line in lines(written) if line["event"].startswith("request."))
    assert failed["request_id"] == answered["request_id"] == "mine"
    assert 'raise RuntimeError(f"no' in failed["exception"]
    assert failed["exception"].endswith("RuntimeError: no [hidden] for 10")
    assert (answered["route"], answered["status"]) == ("/things/{name}", 500)
    assert answered["level"] == "warning"
    assert "hush" not in json.dumps([failed, answered])


def test_lines_for_reading_show_no_variables_either(written: io.StringIO) -> None:
    configure(written, "console")
    failing().get("/things/hush", headers={HEADER: "mine"})
    text = written.getvalue()
    assert "request.failed" in text
    assert "request_id=mine" in text
    assert "RuntimeError: no [hidden] for 10" in text
    assert "local hush" not in text


def test_what_the_server_says_again_of_a_fault_is_left_out(written: io.StringIO) -> None:
    configure(written, "json")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n")
    logging.getLogger("uvicorn.error").error("Another thing")
    assert [line["event"] for line in lines(written)] == ["Another thing"]


def test_what_is_noted_outside_of_any_work_goes_nowhere() -> None:
    context.note("round_id", new_id())
    assert context.known() == {}


def test_what_is_noted_in_a_piece_of_work_ends_with_it() -> None:
    with context.begun({"request_id": "mine", "row": "r"}):
        context.note("federation", "flights")
        with context.about("incident_id", new_id()):
            assert set(context.carried()) == {"request_id", "federation", "incident_id"}
        assert context.carried() == {"request_id": "mine", "federation": "flights"}
    assert context.known() == {}
