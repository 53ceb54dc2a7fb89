# mypy: disable-error-code="import-not-found,misc,no-any-return"
# Flower is in an environment of its own, where types are not checked.
"""``ClassicVigieMixin``: the same for strategies of the classic API."""

from functools import partial
from typing import Any

from flwr.common import EvaluateIns, EvaluateRes, FitIns, FitRes, Parameters, Scalar
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy

from vigie_client.flower.records import from_metrics
from vigie_client.flower.tally import Answer, Asked
from vigie_client.flower.watcher import UNWATCHED, Watcher
from vigie_client.models import Phase
from vigie_client.participation import content_bytes


class ClassicVigieMixin:
    """Makes a strategy of the classic API (``flwr.server.strategy``) a watched one.

    Clients put ``to_metric(record)`` under ``metrics[METRIC]``. The classic API does not tell
    which run it is in, so the watcher needs ``run``; nor when each reply came, so there are no
    latencies.
    """

    vigie: Watcher = UNWATCHED

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[Any]:
        """Note whom the strategy samples."""
        asked = super().configure_fit(server_round, parameters, client_manager)
        self._note("fit", server_round, asked, client_manager)
        return asked

    def configure_evaluate(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[Any]:
        """Note whom the strategy samples."""
        asked = super().configure_evaluate(server_round, parameters, client_manager)
        self._note("evaluate", server_round, asked, client_manager)
        return asked

    def aggregate_fit(
        self, server_round: int, results: list[Any], failures: list[Any]
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        """Tell of the round, and aggregate what is the strategy's."""
        self._tell("fit", results, failures)
        return super().aggregate_fit(server_round, results, failures)

    def aggregate_evaluate(
        self, server_round: int, results: list[Any], failures: list[Any]
    ) -> tuple[float | None, dict[str, Scalar]]:
        """Tell of the round, and aggregate what is the strategy's."""
        self._tell("evaluate", results, failures)
        return super().aggregate_evaluate(server_round, results, failures)

    def _note(self, phase: Phase, number: int, asked: list[Any], manager: ClientManager) -> None:
        self.vigie.guarded(
            "see whom a round asks",
            lambda: self.vigie.asked(
                phase,
                number,
                [Asked(client.cid, _size(what)) for client, what in asked],
                available=manager.num_available(),
                run="flower",
            ),
            None,
        )

    def _tell(self, phase: Phase, results: list[Any], failures: list[Any]) -> None:
        answers = [
            self.vigie.guarded(
                "read a reply",
                partial(_answer, who, one),
                Answer(who.cid),
            )
            for who, one in results
        ]
        answers += [_failure(failure) for failure in failures]
        self.vigie.guarded("tell of a round", lambda: self.vigie.answered(phase, answers), None)


def _answer(client: ClientProxy, result: FitRes | EvaluateRes) -> Answer:
    size = _size(result)
    return Answer(client.cid, from_metrics(result.metrics), size=size)


def _size(sent: FitIns | EvaluateIns | FitRes | EvaluateRes) -> int:
    """The bytes of parameters and of configuration or metrics, whichever it has."""
    parameters = getattr(sent, "parameters", None)
    tensors = parameters.tensors if parameters else []
    return content_bytes([tensors, getattr(sent, "config", {}), getattr(sent, "metrics", {})])


def _failure(failure: tuple[ClientProxy, FitRes] | BaseException) -> Answer:
    if isinstance(failure, BaseException):
        return Answer(None, error=type(failure).__name__)
    client, result = failure
    return Answer(client.cid, error=result.status.code.name)
