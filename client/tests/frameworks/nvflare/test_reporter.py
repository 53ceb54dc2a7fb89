# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nvflare.apis.dxo import from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import make_reply
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob
from nvflare.widgets.info_collector import GroupInfoCollector, InfoCollector

from vigie_client import Pseudonyms
from vigie_client.nvflare import VigieReporter, attach, weights_sha256
from vigie_client.participation import content_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LoopbackService

    MakeServer = Callable[..., Any]
    Send = Callable[..., Any]

SITES = ("site-1", "site-2", "site-3", "site-4")
RECORD = {"num_examples": 10, "metrics": {"correct_count": 9}}
PSEUDONYM = Pseudonyms(bytes.fromhex("5a" * 32))


def pushed(loopback: LoopbackService) -> list[dict[str, Any]]:
    return [json.loads(body) for body in loopback.stored.values()]


def test_a_round_tells_who_answered_who_failed_and_who_kept_silent(
    make_server: MakeServer, send: Send, loopback: LoopbackService
) -> None:
    server = make_server(first_step=7, bin_spec="bs_0123456789abcdef", strategy="fedavg")
    server.ask(*SITES, number=3)
    server.answer("site-1", send(3, RECORD))
    server.answer("site-2", send(3))  # takes part, and says nothing to Vigie
    failed = make_reply(ReturnCode.EXECUTION_EXCEPTION)
    failed.add_cookie(AppConstants.CONTRIBUTION_ROUND, 3)
    server.answer("site-3", failed)
    server.aggregate()
    server.end()
    (body,) = pushed(loopback)
    assert (body["global_step"], body["strategy"]) == (10, {"name": "fedavg"})
    part = body["participation"]
    assert (part["available"], part["sampled"], part["replied"], part["timed_out"]) == (4, 4, 2, 1)
    assert part["errors"] == {"EXECUTION_EXCEPTION": 1}
    assert 0 <= part["latency_p50_ms"] <= part["latency_p95_ms"]
    assert part["bytes_up"] >= len(json.dumps(RECORD)) / 2
    assert part["bytes_down"] == 4 * content_bytes(send(3)) > 0
    assert {record["client"]: record["status"] for record in body["clients"]} == {
        PSEUDONYM("site-1"): "ok",
        PSEUDONYM("site-3"): "error",
        PSEUDONYM("site-4"): "timeout",
    }
    assert "site-" not in json.dumps(body)
    (path,) = loopback.stored
    assert path.endswith("/runs/0d3c1e50-6a5e-4f0e-9c55-1f2a4b6d8e90/rounds/3/fit")


def test_the_record_is_out_before_the_aggregator_sees_the_result(
    make_server: MakeServer, send: Send
) -> None:
    server = make_server()
    server.ask("site-1", number=0)
    result = send(0, RECORD, NUM_STEPS_CURRENT_ROUND=5)
    server.answer("site-1", result)
    dxo = from_shareable(result)
    assert (dxo.meta, dxo.data) == ({"NUM_STEPS_CURRENT_ROUND": 5}, {"coef": [1.0]})
    of_another_task = send(0, RECORD)
    server.answer("site-1", of_another_task, task="submit_model")
    assert from_shareable(of_another_task).meta == {}
    server.end()


@pytest.mark.parametrize("bad", [{"num_examples": float("nan")}, "a text", {"x": {1, 2}}])
def test_a_bad_record_costs_nobody_else_theirs(
    make_server: MakeServer, send: Send, loopback: LoopbackService, bad: object
) -> None:
    server = make_server()
    server.ask("site-1", "site-2", number=0)
    server.answer("site-1", send(0, bad))
    server.answer("site-2", send(0, RECORD))
    server.aggregate()
    server.end()
    (body,) = pushed(loopback)
    assert [record["client"] for record in body["clients"]] == [PSEUDONYM("site-2")]
    assert body["participation"]["replied"] == 2


def test_who_a_record_is_of_is_the_servers_to_say(
    make_server: MakeServer, send: Send, loopback: LoopbackService
) -> None:
    server = make_server()
    server.ask("site-1", number=0)
    server.answer("site-1", send(0, {**RECORD, "client": PSEUDONYM("site-2"), "status": "error"}))
    server.aggregate()
    server.end()
    ((record,),) = (body["clients"] for body in pushed(loopback))
    assert (record["client"], record["status"]) == (PSEUDONYM("site-1"), "ok")


def test_a_late_answer_is_in_no_round(
    make_server: MakeServer, send: Send, loopback: LoopbackService
) -> None:
    server = make_server()
    server.ask("site-1", "site-2", number=0)
    server.answer("site-1", send(0, RECORD))
    server.ask("site-1", number=1)  # the next round ends the one before
    server.answer("site-2", send(0, RECORD))
    server.answer("site-1", send(1, RECORD))
    server.end()
    first, second = pushed(loopback)
    assert first["participation"]["timed_out"] == 1
    assert (second["participation"]["sampled"], len(second["clients"])) == (1, 1)


def test_phases_go_by_task_and_what_is_not_named_is_not_told(
    make_server: MakeServer, send: Send, loopback: LoopbackService
) -> None:
    server = make_server(phases={"score": "serve"})
    server.ask("site-1", number=0, task="train")
    server.ask("site-1", number=0, task="score")
    server.answer("site-1", send(0, RECORD), task="score")
    server.end()
    (path,) = loopback.stored
    assert path.endswith("/serve")
    no_phase: dict[str, Any] = {"train": "training"}
    with pytest.raises(ValueError, match="training"):
        VigieReporter("http://x", "stroke", "stroke", "1", phases=no_phase)


def test_what_goes_wrong_here_does_not_reach_the_training(
    make_server: MakeServer, send: Send, monkeypatch: pytest.MonkeyPatch, loopback: LoopbackService
) -> None:
    monkeypatch.setattr("vigie_client.nvflare.reporter.PSEUDONYM_KEY", "VIGIE_NO_SUCH_KEY")
    server = make_server()
    server.ask("site-1", number=0)
    result = send(0, RECORD)
    server.answer("site-1", result)
    server.aggregate()
    server.end()
    assert from_shareable(result).meta == {}
    assert loopback.stored == {}


def test_what_one_job_could_not_send_the_next_one_does(
    make_server: MakeServer, send: Send, loopback: LoopbackService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vigie_client.nvflare.reporter._CLOSE_SECONDS", 0.5)
    cut_off = make_server(url="http://127.0.0.1:9")
    cut_off.ask("site-1", number=0)
    cut_off.answer("site-1", send(0, RECORD))
    cut_off.end()
    assert loopback.stored == {}
    monkeypatch.undo()
    make_server().end()
    assert len(pushed(loopback)) == 1


def test_jobs_side_by_side_have_a_spool_each(
    make_server: MakeServer, send: Send, loopback: LoopbackService
) -> None:
    one, other = make_server(run="one"), make_server(run="other")
    for server in (one, other):
        server.ask("site-1", number=0)
        server.answer("site-1", send(0, RECORD))
        server.end()
    assert sorted(path.split("/")[5] for path in loopback.stored) == ["one", "other"]
    spools = (one.workspace / "vigie").iterdir()
    assert sorted(spool.name for spool in spools) == ["spool-0", "spool-1"]


def test_the_outcome_and_the_progress_are_told(make_server: MakeServer, send: Send) -> None:
    server = make_server()
    server.ask("site-1", number=0)
    server.answer("site-1", send(0, RECORD))
    server.aggregate()
    weights = {"coef": [1.0, 2.0]}
    model = {AppConstants.GLOBAL_MODEL: make_model_learnable(weights, {})}
    server.fire(AppEventType.AFTER_SHAREABLE_TO_LEARNABLE, **model)
    collector = GroupInfoCollector()
    server.fire(
        InfoCollector.EVENT_TYPE_GET_STATS, **{InfoCollector.CTX_KEY_STATS_COLLECTOR: collector}
    )
    server.end()
    (outcome,) = server.workspace.glob("*/vigie.json")
    made = {"weights_sha256": weights_sha256(weights), "rounds": 1}
    assert json.loads(outcome.read_text()) == made
    assert collector.info == {"vigie": {"rounds": 1}}


def test_a_job_carries_the_settings_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_API_KEY", "vk_secret")
    job = FedJob(name="stroke", min_clients=1)
    job.set_app_packages(["vigie_client"])
    job.to_server(FedAvg(num_clients=1, num_rounds=1))
    job.to_server(
        VigieReporter("http://x", "stroke", "stroke", "1", retrain_request="r-1"), id="vigie"
    )
    job.export_job(str(tmp_path))
    (config,) = tmp_path.rglob("config_fed_server.json")
    text = config.read_text()
    (component,) = (part for part in json.loads(text)["components"] if part["id"] == "vigie")
    assert component["path"] == "vigie_client.nvflare.reporter.VigieReporter"
    rebuilt = VigieReporter(**component["args"])
    assert (rebuilt.url, rebuilt.retrain_request) == ("http://x", "r-1")
    assert "vk_secret" not in text


def test_attach_leaves_the_name_out() -> None:
    meta: dict[str, Any] = {"other": 1}
    attach(meta, {"client": "", **RECORD})
    assert meta == {"other": 1, "vigie": RECORD}


def test_a_record_that_cannot_be_made_is_not_attached() -> None:
    def fail() -> dict[str, Any]:
        raise ValueError("no bins")

    meta: dict[str, Any] = {"other": 1}
    attach(meta, fail)
    assert meta == {"other": 1}
    attach(meta, lambda: RECORD)
    assert meta == {"other": 1, "vigie": RECORD}
