# mypy: disable-error-code="import-not-found,misc,no-any-return"
# Flower is in an environment of its own, where types are not checked.
"""``VigieMixin``: makes a strategy of the Message API tell Vigie of its rounds."""

from collections.abc import Iterable
from functools import partial

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from vigie_client.flower.records import detach
from vigie_client.flower.tally import Answer, Asked
from vigie_client.flower.watcher import UNWATCHED, Watcher
from vigie_client.flower.weighing import WEIGHTED_BY, weighed
from vigie_client.models import Phase
from vigie_client.participation import content_bytes

_CODES = {value: name for name, value in vars(ErrorCode).items() if isinstance(value, int)}


class VigieMixin:
    """Makes a strategy of the Message API a watched one; to be named before it.

    ::

        class WatchedFedAvg(VigieMixin, FedAvg): ...

        strategy = WatchedFedAvg(fraction_train=0.5)
        strategy.vigie = Watcher(reporter, model="stroke", version="3")

    A round of training is of phase ``fit``, one of evaluation of phase ``evaluate``. What clients
    ``attach`` is taken out of their replies before the strategy sees them, since FedAvg accepts no
    second ``MetricRecord``. Without ``vigie``, it is taken out all the same, and nothing is told.
    """

    vigie: Watcher = UNWATCHED

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note whom the strategy samples, without those that are known not to train."""
        sampled = super().configure_train(server_round, arrays, config, grid)
        messages = [one for one in sampled if self.vigie.trains(str(one.metadata.dst_node_id))]
        self._note("fit", server_round, messages, grid)
        return messages

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note whom the strategy samples."""
        messages = list(super().configure_evaluate(server_round, arrays, config, grid))
        self._note("evaluate", server_round, messages, grid)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Tell of the round, and aggregate what is the strategy's, of those that are to train."""
        answered = self._tell("fit", replies)
        key = getattr(self, "weighted_by_key", WEIGHTED_BY)
        kept = self.vigie.guarded("weigh clients", partial(self._weighed, answered, key), answered)
        return super().aggregate_train(server_round, kept)

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Tell of the round, and aggregate what is the strategy's."""
        answered = self._tell("evaluate", replies)
        return super().aggregate_evaluate(server_round, answered)

    def _weighed(self, answered: list[Message], key: str) -> list[Message]:
        if self.vigie.trainees.which == "all":
            return answered
        weights = [self.vigie.weight_of(_node(one)) for one in answered]
        return weighed(answered, weights, key)

    def _note(self, phase: Phase, number: int, messages: list[Message], grid: Grid) -> None:
        self.vigie.guarded(
            "see whom a round asks",
            lambda: self.vigie.asked(
                phase,
                number,
                _asked(messages),
                available=len(list(grid.get_node_ids())),
                run=f"flower-{grid.run.run_id}",
            ),
            None,
        )

    def _tell(self, phase: Phase, replies: Iterable[Message]) -> list[Message]:
        answered = list(replies)
        answers = [
            self.vigie.guarded("read a reply", partial(_answer, one), _silent(one))
            for one in answered
        ]
        self.vigie.guarded("tell of a round", lambda: self.vigie.answered(phase, answers), None)
        return answered


def _asked(messages: list[Message]) -> list[Asked]:
    # Mostly one content for all, so each is measured once.
    sizes = {id(content): content_bytes(content) for content in (one.content for one in messages)}
    return [
        Asked(str(one.metadata.dst_node_id), sizes[id(one.content)], one.metadata.created_at)
        for one in messages
    ]


def _answer(reply: Message) -> Answer:
    if reply.has_error():
        return _silent(reply)
    size, made = content_bytes(reply.content), reply.metadata.created_at
    return Answer(_node(reply), detach(reply.content), size=size, at=made)


def _silent(reply: Message) -> Answer:
    """A reply without a record, or an error's."""
    error = _CODES.get(reply.error.code, str(reply.error.code)) if reply.has_error() else None
    return Answer(_node(reply), error=error)


def _node(reply: Message) -> str:
    return str(reply.metadata.src_node_id)
