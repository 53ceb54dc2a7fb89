"""`vigie push` and `vigie rounds` against the real service."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from vigie_client import Bins, Noise, Summary

from app.drift import progress_router
from app.federations.roles import Role
from tests.rounds import BIN_SPEC, body, pseudonym, record

Vigie = Callable[..., Result]
KeyOf = Callable[..., dict[str, str]]
PLAIN = {"label_counts": None, "prediction_counts": None, "score_histogram": None}
ADDRESS = ("--run", "run-1", "--round", "3", "--phase", "evaluate")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "round.json", record("AA", features={}, **PLAIN))


def written(path: Path, *records: dict[str, object]) -> Path:
    path.write_text(json.dumps(body(*records)))
    return path


@pytest.mark.usefixtures("service")
def test_a_round_is_pushed_and_listed(vigie: Vigie, file: Path) -> None:
    pushed = vigie("push", str(file), *ADDRESS)
    assert pushed.exit_code == 0, pushed.output
    assert "Round 3 of run run-1 (evaluate, attempt 1): 1 records accepted, 0 in" in pushed.stdout
    assert "\nReceipt " in pushed.stdout
    listed = vigie("rounds")
    assert listed.exit_code == 0, listed.output
    assert "late-arrival 1" in listed.stdout
    assert " s ago" in listed.stdout


def test_a_round_is_followed_to_its_end(
    service: TestClient, vigie: Vigie, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_router, "LONGEST", 0.0)  # nobody judges it here
    pushed = vigie("push", str(file), *ADDRESS, "--wait")
    assert pushed.exit_code == 0, pushed.output
    assert pushed.stdout.endswith("\nwaiting\n")
    (round_,) = json.loads(vigie("rounds", "--json").stdout)
    followed = vigie("progress", round_["id"], "--json")
    assert [json.loads(line)["stage"] for line in followed.stdout.splitlines()] == ["waiting"]


def test_what_could_not_be_judged_is_told(
    vigie: Vigie, network: Callable[[httpx.MockTransport], None]
) -> None:
    told = {"text": "partial: 1 of 3 shard(s) of clients left out", "errors": ["ValueError: bad"]}
    events = f"event: progress\ndata: {json.dumps(told)}\n\n"
    network(httpx.MockTransport(lambda _: httpx.Response(200, content=events)))
    followed = vigie("progress", "00000000-0000-0000-0000-000000000000")
    assert followed.exit_code == 1
    assert followed.stderr.endswith("left out\n  ValueError: bad\n")


@pytest.mark.usefixtures("service")
def test_the_same_file_gets_the_same_receipt_from_standard_input(vigie: Vigie, file: Path) -> None:
    first = json.loads(vigie("push", str(file), *ADDRESS, "--json").stdout)
    again = json.loads(vigie("push", "-", *ADDRESS, "--json", input=file.read_bytes()).stdout)
    assert again == first
    assert datetime.fromisoformat(first["received_at"]).tzinfo is not None
    assert "T" in first["received_at"]
    (round_,) = json.loads(vigie("rounds", "--json", "--model", "late-arrival").stdout)
    assert (round_["id"], round_["number"]) == (first["round_id"], 3)
    assert json.loads(vigie("rounds", "--json", "--model", "another").stdout) == []


@pytest.mark.usefixtures("service")
def test_quarantined_records_are_named(vigie: Vigie, tmp_path: Path) -> None:
    good, bad = record("AA", features={}, **PLAIN), {"client": "me@example.org"}
    file = written(tmp_path / "round.json", good, bad)
    pushed = vigie("push", str(file), *ADDRESS)
    assert pushed.exit_code == 0, pushed.output
    assert "1 records accepted, 1 in quarantine" in pushed.stdout
    assert "clients.1.client: This looks like an identity" in pushed.stderr
    assert "me@example.org" not in pushed.output


@pytest.mark.usefixtures("service")
def test_another_body_for_the_same_round_says_what_to_do(
    vigie: Vigie, file: Path, tmp_path: Path
) -> None:
    vigie("push", str(file), *ADDRESS)
    other = written(tmp_path / "other.json", record("AA", n=200, features={}, **PLAIN))
    refused = vigie("push", str(other), *ADDRESS)
    assert refused.exit_code == 1
    assert "409 conflicting_push" in refused.stderr
    assert "push it whole with a higher `attempt`" in refused.stderr


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("VIGIE_KEY", "vg_wrong", "401 unauthenticated"),
        ("VIGIE_FEDERATION", "trains", "404 not_found"),
    ],
)
def test_a_key_or_federation_that_opens_nothing_says_what_to_do(
    vigie: Vigie, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    refused = vigie("rounds")
    assert refused.exit_code == 1
    assert told in refused.stderr
    assert "--federation" in refused.stderr or "VIGIE_KEY" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("push", "nowhere.json", *ADDRESS), "nowhere.json cannot be read: No such file"),
        (("push", "-", *ADDRESS), "is empty; expected a round's body"),
        (("rounds", "--url", "vigie.test"), "The URL needs a scheme"),
        (("rounds", "--key", "no key"), "copy it anew"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    vigie: Vigie, arguments: tuple[str, ...], told: str
) -> None:
    refused = vigie(*arguments)
    assert refused.exit_code == 2
    assert told in " ".join(refused.stderr.replace("│", " ").split())


def test_no_rounds_says_how_to_send_one(vigie: Vigie, service: TestClient) -> None:
    assert "vigie push FILE" in vigie("rounds").stdout


def test_a_busy_service_is_waited_for_and_an_absent_one_named(
    vigie: Vigie, file: Path, network: Callable[[httpx.MockTransport], None]
) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) == 1:
            return httpx.Response(503, headers={"Retry-After": "0"})
        raise httpx.ConnectError("refused")

    network(httpx.MockTransport(answer))
    failed = vigie("push", str(file), *ADDRESS, "--patience", "1")
    assert len(asked) > 1
    assert failed.exit_code == 1
    assert "http://vigie.test gives no answer: refused" in failed.stderr
    assert "Is the service up" in failed.stderr


def test_arrow_goes_as_a_stream(
    vigie: Vigie, tmp_path: Path, network: Callable[[httpx.MockTransport], None]
) -> None:
    import pyarrow as pa

    table = pa.table({"client": ["c_1"]}).replace_schema_metadata({"vigie": "{}"})
    stream, file = tmp_path / "round.arrows", tmp_path / "round.arrow"
    with pa.ipc.new_stream(str(stream), table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(422)

    network(httpx.MockTransport(answer))
    for path in (stream, file):
        assert vigie("push", str(path), *ADDRESS).exit_code == 1
    for request in seen:
        assert request.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
        with pa.ipc.open_stream(request.content) as reader:
            assert reader.schema.metadata == {b"vigie": b"{}"}
            assert reader.read_all().num_rows == 1
    file.write_bytes(b"ARROW1 and nothing more")
    assert "is no Arrow IPC file" in vigie("push", str(file), *ADDRESS).stderr


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "noise", [None, Noise.geometric(1.0, loss_bound=4.0), Noise.gaussian(1.0, 1e-5, loss_bound=4.0)]
)
def test_what_a_summary_says_is_taken_with_noise_and_without(
    vigie: Vigie, service: TestClient, tmp_path: Path, noise: Noise | None, key_of: KeyOf
) -> None:
    if noise is not None:
        pytest.importorskip("opendp", reason="vigie-client[dp]")
    projections = {"features": ["hour"], "center": [12.0], "scale": [6.0], "seed": 7}
    spec = {**BIN_SPEC, "projections": {**projections, "bases": 2, "edges": [-1.0, 0.0, 1.0]}}
    defined = service.post(
        "/v1/federations/flights/bin-specs", json=spec, headers=key_of(Role.INGEST)
    ).json()
    summary = Summary(Bins(defined), noise=noise)
    hours, hubs = [1.0, 7.0, 13.0], ["EWR", "JFK", "SFO"]
    summary.add([0.1, 0.6, 0.9], [0, 1, 1], features={"hour": hours, "origin": hubs})
    file = tmp_path / "round.json"
    said = summary.record(pseudonym("AA"))
    file.write_text(json.dumps(body(said, spec=defined["id"], privacy=summary.privacy)))
    pushed = vigie("push", str(file), *ADDRESS)
    assert pushed.exit_code == 0, pushed.output
    assert "1 records accepted, 0 in quarantine" in pushed.stdout


@pytest.mark.usefixtures("service")
def test_a_round_goes_in_chunks_and_is_closed(vigie: Vigie, tmp_path: Path) -> None:
    files = [
        written(tmp_path / f"{name}.json", record(name, features={}, **PLAIN))
        for name in ("AA", "DL", "UA")
    ]
    closed = vigie("push", "--close", "2", *ADDRESS)
    assert closed.exit_code == 0, closed.output
    assert "Closed with 2 chunks; 2 are missing: 0, 1." in closed.stdout
    assert vigie("push", str(files[1]), "--chunk", "1", *ADDRESS).exit_code == 0
    both = vigie("push", str(files[0]), "--chunk", "0", "--close", "2", *ADDRESS, "--json")
    receipt, state = map(json.loads, both.stdout.splitlines())
    assert (receipt["chunk"], state["missing"], state["state"]) == (0, [], "received")
    assert vigie("push", str(files[2]), "--chunk", "7", *ADDRESS).exit_code == 0
    (round_,) = json.loads(vigie("rounds", "--json").stdout)
    assert (round_["accepted"], round_["state"]) == (3, "received")
    again = vigie("push", "--close", "3", *ADDRESS)
    assert "409 conflicting_close" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Give a FILE to push, or --close, or both"),
        (("--chunk", "1", "--close", "2"), "--chunk is a FILE's number"),
        (("round.json", "--close", "2"), "A round that comes whole needs no --close"),
        (("round.json", "--chunk", "10000"), "less than or equal to 9999"),
    ],
)
def test_chunks_that_cannot_be_are_refused(
    vigie: Vigie, arguments: tuple[str, ...], told: str
) -> None:
    refused = vigie("push", *arguments, *ADDRESS)
    assert refused.exit_code == 2
    assert told in " ".join(refused.stderr.replace("│", " ").split())
