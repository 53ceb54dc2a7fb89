# mypy: disable-error-code="import-not-found,misc"
"""``FlowerTraining`` with a command that answers as ``flwr`` does, and counts its runs."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from vigie_client import LeaseLost, RetrainRequest, Trainees
from vigie_client.flower import FlowerRunFailed, FlowerTraining, Outcome, trainees_from

FLWR = """
import json, pathlib, sys
calls = pathlib.Path(sys.argv[1])
with calls.open("a") as log:
    log.write(json.dumps(sys.argv[2:]) + "\\n")
status = (calls.parent / "status").read_text()
if sys.argv[2] == "run" and status == "refused":
    print(json.dumps({"success": False, "error-message": "no such connection"}))
elif sys.argv[2] == "run":
    print("Successfully started run 17")
    print(json.dumps({"success": True, "run-id": "17"}))
else:
    print(json.dumps({"success": True, "runs": [{"run-id": "17", "status": status}]}))
"""
SHA = "ab" * 32


def request(**changes: Any) -> RetrainRequest:
    fields: dict[str, Any] = {
        "id": "0d3c1e50-6a5e-4f0e-9c55-1f2a4b6d8e90",
        "model": "stroke",
        "base_version": "3",
        "incident_id": None,
        "state": "claimed",
        "reason": "drift",
        "plan": {"rounds": 2},
        "claimed_by": "flower-1",
        "lease_until": None,
        "progress": None,
        "result_version": None,
        "created_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }
    return RetrainRequest(**(fields | changes))


class Flower:
    """The command, what it was asked, and a training that uses it."""

    def __init__(self, folder: Path, status: str) -> None:
        (folder / "flwr.py").write_text(FLWR)
        (folder / "status").write_text(status)
        self._calls, self.told = folder / "calls", []  # type: ignore[var-annotated]
        self.outcome = Outcome(folder / "shared" / f"{request().id}.json")
        self.outcome.path.parent.mkdir()
        self.training = FlowerTraining(
            "my-app",
            "prod",
            folder / "shared",
            configure=lambda asked: {"warm-start": f"{asked.base_version}.npy"},
            flwr=[sys.executable, str(folder / "flwr.py"), str(self._calls)],
            poll_seconds=0,
        )

    def progress(self, completed: int, total: int, message: str | None = None) -> None:
        self.told.append((completed, total, message))

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()]


def test_a_request_becomes_a_run_with_its_parameters(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "finished:completed")
    flower.outcome.finish(SHA, 2, "s3://models/4")
    version = flower.training(request(), flower.progress)
    assert (version.run, version.weights_sha256, version.rounds) == ("flower-17", SHA, 2)
    assert version.artifact_uri == "s3://models/4"
    assert flower.told == [(2, 2, "finished:completed")]
    started = flower.calls[0]
    assert started[:4] == ["run", "my-app", "prod", "--run-config"]
    assert started[5:] == ["--format", "json"]
    for said in ("num-server-rounds=2", f'vigie-request="{request().id}"', 'warm-start="3.npy"'):
        assert said in started[4].split()


def test_the_plan_goes_along_as_far_as_it_is_not_as_usual(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "finished:completed")
    flower.outcome.finish(SHA, 2)
    plan = {
        "rounds": 2,
        "warm_start": "1",
        "clients": {"which": "weighted", "cohort": "hub=EWR", "weight": 3.0},
        "hyperparameters": {"learning-rate": 0.05, "optimizer": "sgd"},
    }
    flower.training(request(plan=plan), flower.progress)
    for said in (
        "learning-rate=0.05",
        'optimizer="sgd"',
        'vigie-warm-start="1"',
        'vigie-cohort="hub=EWR"',
        "vigie-cohort-weight=3.0",
    ):
        assert said in flower.calls[0][4].split()


def test_a_cluster_of_clients_goes_along_in_a_file(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "finished:completed")
    flower.outcome.finish(SHA, 2)
    plan = {"rounds": 2, "clients": {"which": "weighted", "cluster": {"clients": 2}, "weight": 2.5}}
    flower.training(request(plan=plan, trainees=("c_1", "c_2")), flower.progress)
    told = dict(said.split("=", 1) for said in flower.calls[0][4].split())
    config: dict[str, str] = {"vigie-trainees": json.loads(told["vigie-trainees"])}
    assert trainees_from(config) == Trainees("weighted", None, 2.5, frozenset({"c_1", "c_2"}))


def test_a_cohort_goes_along_in_the_configuration() -> None:
    assert trainees_from({"vigie-cohort": ""}) == Trainees()
    assert trainees_from({"vigie-cohort": "hub=EWR"}) == Trainees("drifted", "hub=EWR")
    weighted: dict[str, str | float] = {"vigie-cohort": "hub=EWR", "vigie-cohort-weight": 3.0}
    assert trainees_from(weighted) == Trainees("weighted", "hub=EWR", 3.0)


def test_a_request_whose_worker_died_has_its_run_followed(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "finished:completed")
    flower.outcome.finish(SHA, 2)
    for _ in range(2):
        flower.training(request(), flower.progress)
    assert [call[0] for call in flower.calls] == ["run", "ls", "ls"]


def test_a_run_that_ends_otherwise_is_a_failure(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "finished:failed")
    with pytest.raises(FlowerRunFailed, match="17 ended as finished:failed"):
        flower.training(request(), flower.progress)


def test_a_run_without_a_model_is_a_failure(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "finished:completed")
    flower.outcome.round_done(2)
    with pytest.raises(FlowerRunFailed, match="left no model"):
        flower.training(request(), flower.progress)


def test_a_refusal_says_why(tmp_path: Path) -> None:
    flower = Flower(tmp_path, "refused")
    with pytest.raises(FlowerRunFailed, match="no such connection"):
        flower.training(request(), flower.progress)


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    training = FlowerTraining("app", "prod", tmp_path, flwr=["no-such-flwr"])
    with pytest.raises(FlowerRunFailed, match="no-such-flwr"):
        training(request(), lambda *_: None)


@pytest.mark.parametrize(
    ("why", "stopped"), [("the request is cancelled", ["stop"]), ("it is another's", [])]
)
def test_only_a_cancelled_requests_run_is_stopped(
    tmp_path: Path, why: str, stopped: list[str]
) -> None:
    flower = Flower(tmp_path, "running")

    def lost(completed: int, total: int, message: str | None = None) -> None:
        raise LeaseLost(why)

    with pytest.raises(LeaseLost):
        flower.training(request(), lost)
    assert [call[0] for call in flower.calls] == ["run", "ls", *stopped]
