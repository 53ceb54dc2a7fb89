from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from vigie_client import (
    Backoff,
    LeaseLost,
    Progress,
    RetrainRequest,
    RetrainWorker,
    TrainedVersion,
    Trainees,
    VigieError,
    VigieUnreachable,
)

if TYPE_CHECKING:
    from conftest import Requests

WIRE: dict[str, Any] = {
    "id": "r1",
    "model": "late-arrival",
    "base_version": "3",
    "incident_id": None,
    "state": "claimed",
    "reason": "drift",
    "plan": {},
    "claimed_by": "worker-1",
    "lease_until": None,
    "progress": None,
    "result_version": None,
    "created_at": "2026-01-01T00:00:00Z",
}
TRAINED = TrainedVersion("run-9", "b" * 64, rounds=10, note="eight weeks")
SOON = Backoff(first=0.0)


def conflict() -> httpx.Response:
    return httpx.Response(409, json={"type": "urn:vigie:problem:lease_lost", "detail": "Too late."})


def report_without_end(progress: Progress) -> None:
    while True:
        progress(1, 10)


Train = Callable[[RetrainRequest, Progress], TrainedVersion]


@pytest.fixture
def work(requests: Requests, key: str) -> Callable[[Train], RetrainWorker]:
    def make(train: Train) -> RetrainWorker:
        return RetrainWorker(
            "https://vigie.test",
            key,
            "flights",
            "late-arrival",
            train,
            claimer="worker-1",
            lease_seconds=1,
            backoff=SOON,
            transport=requests.transport,
        )

    return make


Work = Callable[[Train], RetrainWorker]


def train_at_once(request: RetrainRequest, progress: Progress) -> TrainedVersion:
    return TRAINED


def test_nothing_to_do(requests: Requests, work: Work) -> None:
    requests.waiting = False
    assert work(train_at_once).run_once() is None
    assert requests.posts == [
        ("claim", {"model": "late-arrival", "claimer": "worker-1", "lease_seconds": 1})
    ]


def test_a_request_is_claimed_trained_and_completed(requests: Requests, work: Work) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        assert (request.model, request.state, request.plan) == (
            "late-arrival",
            "claimed",
            {"rounds": 10},
        )
        assert request.lease_until == datetime(2026, 11, 21, 10, 1, tzinfo=timezone.utc)
        return TRAINED

    done = work(train).run_once()
    assert done is not None
    assert (done.state, done.result_version) == ("completed", "2")
    assert requests.bodies("complete") == [
        {
            "claimer": "worker-1",
            "run": "run-9",
            "weights_sha256": "b" * 64,
            "artifact_uri": None,
            "rounds": 10,
            "note": "eight weeks",
        }
    ]


def test_the_lease_is_renewed_however_long_a_round_takes(requests: Requests, work: Work) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        requests.wait_for(3)
        return TRAINED

    work(train).run_once()
    zero_of_plan = {
        "claimer": "worker-1",
        "completed_rounds": 0,
        "total_rounds": 10,
        "message": None,
    }
    assert requests.bodies("progress")[:3] == [zero_of_plan] * 3


def test_progress_is_told(requests: Requests, work: Work) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        requests.wait_for(1)
        progress(3, 8, "warm")
        requests.wait_for(2)
        return TRAINED

    work(train).run_once()
    told = requests.bodies("progress")[1]
    assert (told["completed_rounds"], told["total_rounds"], told["message"]) == (3, 8, "warm")


@pytest.mark.parametrize(("completed", "total"), [(-1, 3), (4, 3), (0, 0)])
def test_progress_that_cannot_be_fails_the_training(
    requests: Requests, work: Work, completed: int, total: int
) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        progress(completed, total)
        return TRAINED

    work(train).run_once()
    (body,) = requests.bodies("fail")
    assert body["reason"].startswith(f"ValueError: progress({completed}, {total})")


def test_a_lost_lease_stops_training(requests: Requests, work: Work) -> None:
    reasons = []

    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        with pytest.raises(LeaseLost) as caught:
            report_without_end(progress)
        reasons.append(str(caught.value))
        raise caught.value

    requests.script["progress"] = [conflict()]
    left = work(train).run_once()
    assert reasons == ["Retrain request 3c1f is no longer worker-1's: 409 lease_lost: Too late."]
    assert left is not None
    assert left.state == "claimed"
    assert requests.bodies("complete") == requests.bodies("fail") == []


def test_a_version_that_comes_too_late_is_dropped(requests: Requests, work: Work) -> None:
    requests.script["complete"] = [conflict()]
    left = work(train_at_once).run_once()
    assert left is not None
    assert left.state == "claimed"
    assert requests.bodies("fail") == []


def test_a_failed_renewal_is_no_lost_lease(requests: Requests, work: Work) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        requests.wait_for(3)
        progress(1, 2)
        return TRAINED

    requests.script["progress"] = [httpx.ReadTimeout("slow"), httpx.Response(503)]
    done = work(train).run_once()
    assert done is not None
    assert done.state == "completed"


def test_a_failure_is_told_with_its_kind_and_cut_to_length(requests: Requests, work: Work) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        raise ArithmeticError("loss is nan " * 100)

    failed = work(train).run_once()
    assert failed is not None
    assert failed.state == "failed"
    (body,) = requests.bodies("fail")
    assert body["reason"].startswith("ArithmeticError: loss is nan")
    assert len(body["reason"]) == 500


def test_a_refused_version_is_a_failure(requests: Requests, work: Work) -> None:
    requests.script["complete"] = [httpx.Response(422)]
    failed = work(train_at_once).run_once()
    assert failed is not None
    assert failed.state == "failed"
    assert requests.bodies("fail")[0]["reason"].startswith("VigieError: 422 http_422")


def test_the_end_is_told_until_it_is_heard(requests: Requests, work: Work) -> None:
    requests.script["complete"] = [httpx.ConnectError("down"), httpx.Response(503)]
    done = work(train_at_once).run_once()
    assert done is not None
    assert done.state == "completed"
    assert len(requests.bodies("complete")) == 3


def test_stop_ends_the_telling(requests: Requests, work: Work) -> None:
    stop = threading.Event()
    stop.set()
    requests.script["complete"] = [httpx.ConnectError("down")]
    with pytest.raises(VigieUnreachable, match="down"):
        work(train_at_once).run_once(stop)


def test_an_interrupt_passes_through_and_lets_the_lease_run_out(
    requests: Requests, work: Work
) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(train).run_once()
    assert requests.bodies("fail") == []
    assert all(thread.name != "vigie-lease" for thread in threading.enumerate())


def test_run_forever_waits_for_the_service_and_stops_when_asked(
    requests: Requests, work: Work
) -> None:
    stop = threading.Event()

    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        stop.set()
        return TRAINED

    requests.script["claim"] = [
        httpx.ConnectError("down"),
        httpx.Response(204),
        httpx.Response(503),
    ]
    work(train).run_forever(poll_seconds=0.0, stop=stop)
    assert len(requests.bodies("claim")) == 4
    assert len(requests.bodies("complete")) == 1


def test_run_forever_raises_a_final_refusal(requests: Requests, work: Work) -> None:
    requests.script["claim"] = [httpx.Response(401)]
    with pytest.raises(VigieError, match="401"):
        work(train_at_once).run_forever(0.0, threading.Event())


@pytest.mark.parametrize("digest", ["", "b" * 63, "B" * 64, "b" * 64 + "\n"])
def test_a_version_needs_a_digest(digest: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        TrainedVersion("run", digest, rounds=1)


def test_a_version_needs_a_round() -> None:
    with pytest.raises(ValueError, match="at least 1 round"):
        TrainedVersion("run", "b" * 64, rounds=0)


def test_a_lease_needs_a_second(key: str) -> None:
    with pytest.raises(ValueError, match="lease_seconds is 0"):
        RetrainWorker("https://v.test", key, "f", "m", train_at_once, lease_seconds=0)


def test_the_worker_names_itself_and_hides_its_key(key: str) -> None:
    with RetrainWorker("https://v.test", key, "f", "m", train_at_once) as worker:
        assert "worker-" in repr(worker)
        assert key not in repr(worker)


def test_the_service_is_asked_to_wait_and_not_asked_again_at_once(
    requests: Requests, work: Work
) -> None:
    stop = threading.Event()

    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        stop.set()
        return TRAINED

    requests.script["claim"] = [httpx.Response(204)]  # a service that does not wait
    began = time.monotonic()
    work(train).run_forever(poll_seconds=0.2, stop=stop)
    assert [body["wait"] for body in requests.bodies("claim")] == [0.2, 0.2]
    assert time.monotonic() - began >= 0.2


def test_a_plan_is_read_with_what_it_leaves_out() -> None:
    old = RetrainRequest.from_json(WIRE | {"plan": {"rounds": 7}})
    assert (old.rounds, old.warm_start, old.hyperparameters) == (7, old.base_version, {})
    assert (old.clients, old.success, old.evidence) == (Trainees(), {}, {})
    plan = {
        "rounds": 5,
        "warm_start": "1",
        "clients": {"which": "weighted", "cohort": "hub=EWR", "weight": 3.0},
        "hyperparameters": {"learning-rate": 0.05},
        "success": {"measure": "log_loss"},
    }
    new = RetrainRequest.from_json(WIRE | {"plan": plan, "evidence": {"since_step": 21}})
    assert (new.rounds, new.warm_start, new.evidence) == (5, "1", {"since_step": 21})
    assert new.clients == Trainees("weighted", "hub=EWR", 3.0)
    assert new.hyperparameters == {"learning-rate": 0.05}
    assert new.success == {"measure": "log_loss"}


def test_a_cluster_is_told_by_its_clients() -> None:
    cluster = {"clients": 2, "share": 0.9, "cohorts": []}
    told = WIRE | {"plan": {"clients": {"which": "drifted", "cluster": cluster}}}
    asked = RetrainRequest.from_json(told | {"trainees": ["c_2", "c_1"]})
    assert asked.clients == Trainees("drifted", pseudonyms=frozenset({"c_1", "c_2"}))
    assert RetrainRequest.from_json(told | {"trainees": None}).trainees == ()


@pytest.mark.parametrize(
    ("trainees", "weights"),
    [
        (Trainees(), [1, 1]),
        (Trainees("drifted", "hub=EWR"), [1, 0]),
        (Trainees("weighted", "hub=EWR", 3.0), [3, 1]),
        (Trainees("drifted", pseudonyms=frozenset({"c_1"})), [1, 0]),
        (Trainees("weighted", None, 3.0, frozenset({"c_1"})), [3, 1]),
    ],
)
def test_what_a_client_counts(trainees: Trainees, weights: list[float]) -> None:
    clients = [("c_1", {"hub": "EWR"}), ("c_2", {"hub": "JFK"})]
    assert [trainees.weight_of(*client) for client in clients] == weights
    assert Trainees.from_json(trainees.to_json()) == trainees
