# mypy: disable-error-code="import-not-found,misc"
"""A Flower grid in one process: real messages to a real ClientApp, and no network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

RUN_ID = 17


class InProcessGrid(Grid):
    """Nodes ``1..n``; those of ``silent`` never reply, and whatever an app raises is an error."""

    def __init__(
        self,
        app: Callable[[Message, Context], Message],
        nodes: int,
        run_config: Mapping[str, Any],
        first_node: int = 1,
        silent: Iterable[int] = (),
    ) -> None:
        # Flower sets these in the process of a ServerApp; messages bear them.
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN_ID, 0
        self.app, self.run_config, self.silent = app, dict(run_config), set(silent)
        self.nodes = range(first_node, first_node + nodes)

    @property
    def run(self) -> Any:
        return SimpleNamespace(run_id=RUN_ID)

    def set_run(self, run: Any) -> None:
        raise NotImplementedError

    def create_message(self, *_: Any, **__: Any) -> Message:
        raise NotImplementedError

    def get_nodes(self) -> Any:
        raise NotImplementedError

    def push_messages(self, messages: Any) -> Any:
        raise NotImplementedError

    def pull_messages(self, message_ids: Any) -> Any:
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        return list(self.nodes)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        asked = [one for one in messages if one.metadata.dst_node_id not in self.silent]
        return [self._answered(message) for message in asked]

    def _answered(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        config = {"partition-id": node - self.nodes[0], "num-partitions": len(self.nodes)}
        context = Context(RUN_ID, node, config, RecordDict(), self.run_config)
        try:
            return self.app(message, context)
        except Exception:  # noqa: BLE001 - as a SuperNode does
            error = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "boom")
            return Message(error, reply_to=message)
