"""A federation drifts and somebody is told: every log line and every span of that."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.core import tracing
from app.core.settings import Settings
from app.core.telemetry import OtelTracer
from app.federations.roles import Role
from app.incidents import delivery
from app.incidents.notices import DELIVER
from tests.rounds import BIN_SPEC
from tests.unit.dashboards.played import Play, played
from workers.effects import External
from workers.tasks import EFFECTS

STABLE, DRIFTING = 10, 3
PASSWORD = "correct-horse"
CHANNEL = f"json://olive:{PASSWORD}@127.0.0.1:1/"  # nobody listens there


@dataclass
class Drift(Play):
    """The play until its first incident has been told of; a push names its own request."""

    sent: list[str] = field(default_factory=list)  # every body that went to the API
    secrets: list[str] = field(default_factory=list)

    def play(self) -> None:
        self.spec = self.call(Role.INGEST, "/bin-specs", BIN_SPEC)["id"]
        self.call(Role.OWNER, "/channels", {"name": "chat", "url": CHANNEL})
        hook = {"name": "fl", "url": "https://127.0.0.1:1/x", "events": ["incident.opened"]}
        self.secrets = [self.call(Role.OWNER, "/webhooks", hook)["secret"], PASSWORD]
        self.secrets += self.keys.values()
        for _ in range(STABLE):
            self.push("1", "evaluate")
        self.refuse()
        for _ in range(DRIFTING):
            self.push("1", "evaluate", moved=True)

    def call(self, role: Role, path: str, told: object = None, *, method: str = "POST") -> Any:
        self.sent.append(json.dumps(told))
        return super().call(role, path, told, method=method)

    def headers(self, role: Role) -> dict[str, str]:
        return super().headers(role) | {"X-Request-ID": f"fl-server:{self.step}"}


@dataclass
class Observed:
    """What came of it."""

    play: Drift
    lines: list[dict[str, Any]]
    spans: list[ReadableSpan]
    text: str


@contextmanager
def observed(folder: Path) -> Iterator[Observed]:
    """The play, with everything on; its database is in the folder, migrated."""
    settings = Settings(
        data_dir=folder,
        secret="s" * 32,
        log_format="json",
        log_level="DEBUG",
        webhook_private_addresses=True,
    )
    spans, text = InMemorySpanExporter(), io.StringIO()
    tracer = OtelTracer(SimpleSpanProcessor(spans), "vigie-test")
    deliver = External(
        lambda session, notice_id: delivery.prepare(session, notice_id, settings),
        lambda carrier: delivery.perform(carrier, settings),
        delivery.record,
    )

    class Told(Drift):
        def play(self) -> None:
            logging.getLogger().handlers[0].setStream(text)  # type: ignore[attr-defined]
            self.effects = {**self.effects, DELIVER: deliver}
            with tracing.using(tracer):
                super().play()

    with played(settings, Told) as play:
        assert set(play.effects) >= set(EFFECTS)
        lines = [json.loads(line) for line in text.getvalue().splitlines()]
        yield Observed(play, lines, list(spans.get_finished_spans()), text.getvalue())
