# mypy: disable-error-code="import-not-found,misc"
"""A FLARE server as a component sees it: real contexts and messages, and no network.

These tests run in FLARE's own environment; elsewhere they are not collected, as nothing of them
could run. ``tests/frameworks/test_nvflare.py`` starts them there.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LoopbackService


if importlib.util.find_spec("nvflare") is None:
    collect_ignore_glob = ["test_*.py"]

JOB = "0d3c1e50-6a5e-4f0e-9c55-1f2a4b6d8e90"


@dataclass
class Server:
    """Fires at a component what a FLARE server would, for the task ``train`` of a round."""

    component: Any
    workspace: Path
    clients: tuple[str, ...] = ("site-1", "site-2", "site-3", "site-4")

    def fire(self, event: str, client: str | None = None, **props: Any) -> Any:
        from nvflare.apis.fl_context import FLContext, FLContextManager

        engine = SimpleNamespace(
            get_clients=lambda: list(self.clients),
            get_workspace=lambda: SimpleNamespace(
                get_root_dir=lambda: str(self.workspace),
                get_result_root=lambda job: str(self.workspace / job),
            ),
        )
        context = FLContextManager(engine, "server", JOB, {}, {}).new_context()
        peer = FLContext()
        peer.set_prop("__identity_name__", client, private=False)
        context.set_peer_context(peer)
        for key, value in props.items():
            context.set_prop(key, value, private=True, sticky=False)
        self.component.handle_event(event, context)
        return context

    def start(self) -> None:
        from nvflare.apis.event_type import EventType

        (self.workspace / JOB).mkdir(parents=True, exist_ok=True)
        self.fire(EventType.START_RUN)

    def ask(self, *clients: str, number: int, task: str = "train") -> None:
        from nvflare.apis.event_type import EventType
        from nvflare.apis.fl_constant import FLContextKey

        for client in clients:
            props = {FLContextKey.TASK_NAME: task, FLContextKey.TASK_DATA: message(number)}
            self.fire(EventType.AFTER_TASK_DATA_FILTER, client, **props)

    def answer(self, client: str, result: Any, task: str = "train") -> None:
        from nvflare.apis.event_type import EventType
        from nvflare.apis.fl_constant import FLContextKey

        props = {FLContextKey.TASK_NAME: task, FLContextKey.TASK_RESULT: result}
        self.fire(EventType.AFTER_TASK_RESULT_FILTER, client, **props)

    def aggregate(self) -> None:
        from nvflare.app_common.app_event_type import AppEventType

        self.fire(AppEventType.AFTER_AGGREGATION)

    def end(self) -> None:
        from nvflare.apis.event_type import EventType

        self.fire(EventType.END_RUN)


def message(number: int, record: object = None, **meta: Any) -> Any:
    """A real Shareable of a round, as a client sends it; with a record attached, if given."""
    from nvflare.apis.dxo import DXO, DataKind
    from nvflare.app_common.app_constant import AppConstants

    meta = meta if record is None else {**meta, "vigie": record}
    sent = DXO(DataKind.WEIGHTS, data={"coef": [1.0]}, meta=meta).to_shareable()
    sent.add_cookie(AppConstants.CONTRIBUTION_ROUND, number)
    return sent


@pytest.fixture
def make_server(
    loopback: LoopbackService, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Server]:
    """``make_server(**arguments)``: a started server with a ``VigieReporter``."""
    from vigie_client.nvflare import VigieReporter

    def make(url: str = loopback.url, **arguments: Any) -> Server:
        monkeypatch.setenv("VIGIE_API_KEY", key)
        monkeypatch.setenv("VIGIE_PSEUDONYM_KEY", "5a" * 32)
        server = Server(VigieReporter(url, "stroke", "stroke", "1", **arguments), tmp_path)
        server.start()
        return server

    return make


@pytest.fixture
def send() -> Callable[..., Any]:
    """``send(round, record)``: what a client sends."""
    return message
