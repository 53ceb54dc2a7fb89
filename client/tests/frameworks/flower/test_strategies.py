# mypy: disable-error-code="import-not-found,misc"
from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp
from flwr.common import Code, EvaluateRes, FitRes, Status, ndarrays_to_parameters
from flwr.server.strategy import FedAvg as ClassicFedAvg
from flwr.serverapp.strategy import FedAvg, FedMedian

import vigie_client
from vigie_client import Bins, Pseudonyms, Summary, Trainees
from vigie_client.flower import (
    METRIC,
    VigieMixin,
    Watcher,
    attach,
    to_metric,
    watch,
    weights_sha256,
)
from vigie_client.flower.tally import Answer, Asked

sys.path.insert(0, str(Path(__file__).parent))
from grid import RUN_ID, InProcessGrid

PSEUDONYM = Pseudonyms(bytes(32))
BINS = Bins(
    {
        "labels": ["no", "yes"],
        "score": {"edges": [0, 0.5, 1]},
        "features": {"age": {"kind": "numeric", "edges": [0, 50, 100], "unit": "a"}},
    }
)


class Reports:
    """Keeps what it is told; raises instead when it is to."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.told: list[dict[str, Any]] = []
        self.trouble = trouble

    def report(self, run: str, round: int, phase: str, clients: Any, **more: Any) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.told.append({"run": run, "round": round, "phase": phase, "clients": clients, **more})


def record(partition: object) -> dict[str, Any]:
    summary = Summary(BINS)
    summary.add([0.2, 0.9, 0.7], [0, 1, 0], features={"age": [20, 60, 70]})
    return summary.record(PSEUDONYM(f"station-{partition}"), cohorts={"region": "north"})


def app(bad: Any = None, failing: tuple[int, ...] = (), quiet: tuple[int, ...] = ()) -> ClientApp:
    made = ClientApp()

    def reply(message: Message, context: Context) -> Message:
        partition = context.node_config["partition-id"]
        if (partition, message.content["config"]["server-round"]) in [(one, 2) for one in failing]:
            raise RuntimeError("boom")
        content = RecordDict(
            {
                "arrays": ArrayRecord({"weights": Array(np.full(2, float(partition)))}),
                "metrics": MetricRecord({"num-examples": 3}),
            }
        )
        if partition not in quiet:
            attach(content, bad if bad is not None and partition == 0 else record(partition))
        return Message(content=content, reply_to=message)

    made.train()(reply)
    made.evaluate()(reply)
    return made


def weights(more: int) -> ArrayRecord:
    return ArrayRecord({"weights": Array(np.zeros(2 + more))})


def counts(part: dict[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in ("available", "sampled", "replied", "timed_out")}


def played(strategy: Any, grid: InProcessGrid, rounds: int = 1) -> Any:
    return strategy.start(grid, ArrayRecord({"weights": Array(np.zeros(2))}), rounds)


def test_both_phases_of_a_round_are_told_whole() -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3", first_step=7, bin_spec="bs_1")
    played(strategy, InProcessGrid(app(), 3, {}))
    assert [told["phase"] for told in reports.told] == ["fit", "evaluate"]
    told = reports.told[0]
    assert (told["run"], told["round"], told["global_step"]) == (f"flower-{RUN_ID}", 1, 8)
    assert (told["model"], told["version"], told["bin_spec"]) == ("stroke", "3", "bs_1")
    by_client = {one["client"]: one for one in told["clients"]}  # sampled in any order
    assert by_client == {PSEUDONYM(f"station-{part}"): record(part) for part in range(3)}
    part = told["participation"]
    assert counts(part) == {"available": 3, "sampled": 3, "replied": 3, "timed_out": 0}
    assert part["errors"] == {}
    assert 0 <= part["latency_p50_ms"] <= part["latency_p95_ms"] < 60_000


@pytest.mark.parametrize("kind", [FedAvg, FedMedian])
def test_a_watched_strategy_makes_the_same_model(kind: type) -> None:
    bare = played(kind(), InProcessGrid(app(quiet=(0, 1, 2)), 3, {}))
    strategy = watch(kind(), Reports(), model="stroke", version="3")
    watched = played(strategy, InProcessGrid(app(), 3, {}))
    assert isinstance(strategy, kind)
    assert watched.arrays == bare.arrays
    assert watched.train_metrics_clientapp == bare.train_metrics_clientapp


@pytest.mark.parametrize(
    ("trainees", "made", "asked_again"),
    [
        (Trainees(), 1.0, 3),
        (Trainees("drifted", pseudonyms=frozenset({PSEUDONYM("station-2")})), 2.0, 1),
        (Trainees("weighted", None, 3.0, frozenset({PSEUDONYM("station-2")})), 1.4, 3),
        (Trainees("weighted", "region=north", 3.0), 1.0, 3),
    ],
)
def test_training_is_of_those_that_a_request_wants(
    trainees: Trainees, made: float, asked_again: int
) -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3", trainees=trainees)
    result = played(strategy, InProcessGrid(app(), 3, {}), rounds=2)
    assert result.arrays["weights"].numpy() == pytest.approx(np.full(2, made))
    fits = [told["participation"]["sampled"] for told in reports.told if told["phase"] == "fit"]
    assert fits == [3, asked_again]
    assert strategy.vigie.failures == 0


def test_watching_leaves_the_strategy_that_was_given_alone() -> None:
    strategy = FedAvg()
    watch(strategy, Reports(), model="stroke", version="3")
    assert type(strategy) is FedAvg


def test_a_mixin_without_a_watcher_still_takes_records_out() -> None:
    class Watched(VigieMixin, FedAvg): ...

    assert played(Watched(), InProcessGrid(app(), 3, {})).arrays is not None


def test_who_failed_and_who_kept_silent_is_told_by_name_once_it_is_known() -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3")
    grid = InProcessGrid(app(failing=(1,)), 4, {})
    strategy.vigie.answered("fit", [])  # of a round that nobody asked for
    played(strategy, grid)
    grid.silent.add(3)
    asked = strategy.configure_train(2, ArrayRecord(), ConfigRecord(), grid)
    strategy.aggregate_train(2, grid.send_and_receive(asked))
    told = reports.told[-1]
    part = told["participation"]
    assert counts(part) == {"available": 4, "sampled": 4, "replied": 2, "timed_out": 1}
    assert part["errors"] == {"CLIENT_APP_RAISED_EXCEPTION": 1}
    by_client = {one["client"]: one for one in told["clients"]}
    failed, silent = by_client[PSEUDONYM("station-1")], by_client[PSEUDONYM("station-2")]
    assert (failed["status"], failed["error_code"]) == ("error", "CLIENT_APP_RAISED_EXCEPTION")
    assert silent["status"] == "timeout"


def test_bytes_are_those_of_the_messages_contents() -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3")
    grid = InProcessGrid(app(quiet=(0, 1, 2)), 3, {})
    for more in (0, 1000):
        asked = strategy.configure_train(1, weights(more), ConfigRecord({"a": "bc"}), grid)
        replies = grid.send_and_receive(asked)
        attach(replies[0].content, record(0))
        strategy.aggregate_train(1, replies)
    small, large = (told["participation"] for told in reports.told)
    assert large["bytes_down"] - small["bytes_down"] == 3 * 8 * 1000
    assert small["bytes_up"] == large["bytes_up"] > 3 * 2 * 8


@pytest.mark.parametrize(("late_by", "told"), [(0.25, 250.0), (-5.0, None), (3600.0, None)])
def test_a_reply_by_a_clock_that_is_wrong_has_no_latency(
    late_by: float, told: float | None
) -> None:
    reports = Reports()
    watcher = Watcher(reports, model="stroke", version="3")
    asked = time.time() - 1
    watcher.asked("fit", 1, [Asked("1", at=asked)], available=1, run="flower-1")
    watcher.answered("fit", [Answer("1", record(1), at=asked + late_by)])
    (part,) = (told["participation"] for told in reports.told)
    assert part.get("latency_p95_ms") == (None if told is None else pytest.approx(told, abs=1e-3))


def test_a_client_that_attaches_nothing_is_counted_alone() -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3")
    played(strategy, InProcessGrid(app(quiet=(2,)), 3, {}))
    assert len(reports.told[0]["clients"]) == 2
    assert reports.told[0]["participation"]["replied"] == 3


def test_a_round_without_any_record_is_not_told() -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3")
    played(strategy, InProcessGrid(app(quiet=(0, 1, 2)), 3, {}))
    assert (reports.told, strategy.vigie.failures) == ([], 0)


def test_a_bad_record_costs_only_its_own_client() -> None:
    reports = Reports()
    strategy = watch(FedAvg(), reports, model="stroke", version="3")
    bad = record(0) | {"metrics": {"loss_sum": float("nan")}}
    result = played(strategy, InProcessGrid(app(bad=bad), 3, {}))
    assert result.arrays is not None
    assert len(reports.told[0]["clients"]) == 2
    assert strategy.vigie.failures == 2  # one in each phase


def test_trouble_at_vigie_is_counted_and_training_goes_on() -> None:
    strategy = watch(FedAvg(), Reports(RuntimeError("full")), model="stroke", version="3")
    assert played(strategy, InProcessGrid(app(), 3, {}), rounds=2).arrays is not None
    assert strategy.vigie.failures == 4


def test_pseudonyms_outlast_new_node_ids() -> None:
    reports = Reports()
    for first_node in (1, 900):
        strategy = watch(FedAvg(), reports, model="stroke", version="3")
        played(strategy, InProcessGrid(app(), 3, {}, first_node=first_node))
    before, after = reports.told[0], reports.told[2]
    assert {one["client"] for one in before["clients"]} == {
        one["client"] for one in after["clients"]
    }


@pytest.mark.parametrize("bad", [{"metrics": {"loss_sum": object()}}, {"client": None}, 7])
def test_what_cannot_be_attached_leaves_the_reply_as_it_was(bad: Any) -> None:
    content = RecordDict({"metrics": MetricRecord({"num-examples": 3})})
    attach(content, bad)
    attach(content, lambda: bad)
    assert set(content) == {"metrics"}
    attach(content, lambda: record(0))
    assert len(content) == 3


def test_a_matrix_of_the_wrong_size_is_no_record() -> None:
    from vigie_client.flower.records import NUMBERS, TEXTS, detach

    content = RecordDict(
        {NUMBERS: MetricRecord({"confusion[2]": [1, 2, 3]}), TEXTS: ConfigRecord()}
    )
    with pytest.raises(ValueError, match="cannot have 2 rows"):
        detach(content)
    assert not content


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(TypeError, match="no Flower strategy"):
        watch(object(), Reports(), model="stroke", version="3")


def test_the_classic_api_is_told_whole_too() -> None:
    reports = Reports()
    strategy: Any = watch(ClassicFedAvg(), reports, model="stroke", version="3", run="classic-1")
    nodes: list[Any] = [SimpleNamespace(cid=str(node)) for node in range(4)]
    manager: Any = SimpleNamespace(
        num_available=lambda: 4, sample=lambda num_clients, min_num_clients: nodes
    )
    parameters = ndarrays_to_parameters([np.zeros(2)])
    ok = Status(Code.OK, "")
    strategy.configure_fit(1, parameters, manager)
    results = [
        (node, FitRes(ok, parameters, 3, {METRIC: to_metric(record(node.cid)), "loss": 0.5}))
        for node in nodes[:2]
    ]
    lost = FitRes(Status(Code.FIT_NOT_IMPLEMENTED, ""), parameters, 0, {})
    failures = [(nodes[2], lost), TimeoutError("late")]
    arrays, _ = strategy.aggregate_fit(1, results, failures)
    assert arrays is not None
    assert all(set(result.metrics) == {"loss"} for _, result in results)
    (told,) = reports.told
    assert (told["run"], told["phase"]) == ("classic-1", "fit")
    assert told["clients"] == [record(0), record(1)]
    part = told["participation"]
    assert part["errors"] == {"FIT_NOT_IMPLEMENTED": 1, "TimeoutError": 1}
    tensors = sum(len(tensor) for tensor in parameters.tensors)
    assert part["bytes_down"] == 4 * tensors
    assert part["bytes_up"] > 2 * tensors
    assert "latency_p50_ms" not in part  # all replies are handed over at once
    strategy.configure_evaluate(1, parameters, manager)
    evaluated = [(nodes[0], EvaluateRes(ok, 0.5, 3, {METRIC: to_metric(record(0))}))]
    strategy.aggregate_evaluate(1, evaluated, [])
    assert reports.told[1]["phase"] == "evaluate"
    assert reports.told[1]["participation"]["timed_out"] == 3


def test_a_run_is_named_when_the_engineer_names_it() -> None:
    reports = Reports()
    watcher = Watcher(reports, model="stroke", version="3", run="mine")
    watcher.asked("fit", 1, [Asked("1")], available=1, run="flower-1")
    watcher.answered("fit", [Answer("1", record(1))])
    assert reports.told[0]["run"] == "mine"


class Opened(Reports):
    """A reporter that notes how it was closed."""

    closed: float | None = None

    def close(self, timeout: float) -> None:
        if self.closed is not None:
            raise RuntimeError("closed twice")
        self.closed = timeout


def test_a_reporter_that_cannot_be_opened_costs_rounds_and_no_training() -> None:
    opened, answers = Opened(), [OSError("the disk is full"), KeyError("VIGIE_URL")]

    def open_reporter() -> Opened:
        if answers:
            raise answers.pop()
        return opened

    strategy = watch(FedAvg(), open_reporter, model="stroke", version="3")
    assert played(strategy, InProcessGrid(app(), 3, {}), rounds=2).arrays is not None
    assert [(told["round"], told["phase"]) for told in opened.told] == [
        (2, "fit"),
        (2, "evaluate"),
    ]
    assert strategy.vigie.failures == 2
    strategy.vigie.close(3.0)
    strategy.vigie.close(4.0)
    assert (opened.closed, strategy.vigie.failures) == (3.0, 2)


def test_trouble_at_the_end_is_no_trouble_of_the_runs() -> None:
    opened = Opened()
    strategy = watch(FedAvg(), lambda: opened, model="stroke", version="3")
    strategy.vigie.close(1.0)  # nothing was opened
    played(strategy, InProcessGrid(app(), 3, {}))
    opened.close(0.0)
    strategy.vigie.close(1.0)
    assert strategy.vigie.failures == 1


def test_a_reporter_that_was_opened_elsewhere_is_not_closed() -> None:
    opened = Opened()
    strategy = watch(FedAvg(), opened, model="stroke", version="3")
    played(strategy, InProcessGrid(app(), 3, {}))
    strategy.vigie.close(1.0)
    assert opened.closed is None
    assert len(opened.told) == 2


def test_a_model_has_the_digest_that_it_has_everywhere() -> None:
    plain = {"b": np.arange(3.0), "a": np.ones((2, 2), np.float32)}
    arrays = ArrayRecord({name: Array(array) for name, array in plain.items()})
    assert weights_sha256(arrays) == vigie_client.weights_sha256(plain)
    opaque = ArrayRecord({"trees": Array("", (), "xgboost", b"\x01\x02")})
    assert weights_sha256(opaque) != weights_sha256(
        ArrayRecord({"trees": Array("", (), "xgboost", b"\x01\x03")})
    )
