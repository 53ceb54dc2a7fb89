"""Without a collector no span is made, and nothing is loaded that would make or send one.

FastAPI imports OpenTelemetry's bare interfaces by itself; the SDK and the exporter are ours.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.core import telemetry, tracing
from app.core.settings import Settings

# A round is pushed and judged, as an API and a worker do it.
PLAY = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from benchmarks.worlds.service import in_process
from benchmarks.worlds.world import Setting
from tests.rounds import BIN_SPEC, record

with in_process(Setting("flights", BIN_SPEC)) as service:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    service.push(1, [record()], at, at)
OURS = ("app.core.telemetry", "opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf")
print(sorted(name for name in sys.modules if name.startswith(OURS)))
"""


def test_a_round_is_pushed_and_judged_with_nothing_that_traces() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PLAY], capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.stdout.strip() == "[]", ran.stderr


def test_nothing_is_made_for_a_span_that_nobody_wants() -> None:
    assert tracing.span("a", {}) is tracing.span("b", {})
    with tracing.span("a", {}) as span:
        span.tell("b", {})
        span.fail("c")
    assert (tracing.carried(), tracing.ids()) == ({}, {})


def test_a_collector_without_the_exporter_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, exporter, None)
    settings = Settings(data_dir=tmp_path, otlp_endpoint="http://127.0.0.1:1")
    with pytest.raises(ModuleNotFoundError, match=r"install `vigie\[otel\]`"):
        tracing.configure(settings, "vigie-test")


def test_a_collector_that_does_not_answer_fails_nothing(api: TestClient) -> None:
    tracer = telemetry.exporting("http://127.0.0.1:1", "vigie-test")  # nobody listens there
    with tracing.using(tracer):
        assert api.get("/readyz").is_success
    tracer.close()
