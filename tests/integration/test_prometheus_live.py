"""A real Prometheus that scrapes the real service: every query on it finds something."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.main import create_app
from dashboards import commands, expanding
from dashboards.expanding import View
from demo.ports import free_port
from tests.integration.polling import wait_for
from tests.integration.scraping import SECONDS, answers, scraping
from tests.rounds import BIN_SPEC, body, record
from tests.servers import program_or_skip

SCRAPE = timedelta(seconds=1)
NOW = datetime.now(UTC)
VIEW = View(NOW - timedelta(minutes=15), NOW, scrape=SCRAPE)
SPECS = "/v1/federations/flights/bin-specs"
PUSH = "/v1/federations/flights/runs/run-1/rounds/1/evaluate"
# A client, a federation and a model are no labels: /metrics can be read without a key.
LABELS = {"route", "task", "method", "status", "state", "code", "severity", "resolution", "le"}


@pytest.fixture
def service(
    settings: Settings,
    database: Database,
    federation: Federation,
    key_of: Callable[..., dict[str, str]],
) -> Iterator[Callable[[], str]]:
    """The service on a port of its own; calling it pushes a round and gives its address."""
    app = create_app(settings)
    app.state.database = database
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    url, headers = f"http://127.0.0.1:{port}", key_of(Role.INGEST)

    def push() -> str:
        spec = httpx.post(f"{url}{SPECS}", json=BIN_SPEC, headers=headers).json()["id"]
        told = body(*(record(name) for name in ("AA", "B6", "DL")), spec=spec)
        assert httpx.post(f"{url}{PUSH}", json=told, headers=headers).is_success
        return url

    wait_for("a ready service", lambda: answers(f"{url}/readyz"), SECONDS)
    yield push
    server.should_exit = True
    thread.join()


@pytest.fixture
def prometheus(service: Callable[[], str], tmp_path: Path) -> Iterator[str]:
    """A Prometheus that scrapes it."""
    with scraping(service(), tmp_path) as url:
        yield url


def test_every_query_finds_something_and_no_rule_fails(
    service: Callable[[], str], prometheus: str
) -> None:
    for text in _queries():

        def found(text: str = text) -> bool:
            service()  # rates are of what goes on
            return bool(_result(prometheus, text))

        wait_for(f"a value for {text}", found, SECONDS)
    groups = httpx.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    fired = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert not fired - {"VigieNoWorker"}  # there is none here


def test_metrics_are_named_and_labelled_by_the_conventions(service: Callable[[], str]) -> None:
    text = httpx.get(f"{service()}/metrics").text
    ours = set(re.findall(r"^# TYPE (vigie_\w+) (\w+)", text, re.MULTILINE))
    assert ours
    for name, kind in ours:
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|minutes|hours|kb|mb)(_total)?$", name), name
    assert set(re.findall(r"[{,](\w+)=", text)) <= LABELS
    checked = subprocess.run(
        [program_or_skip("promtool", "prometheus"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def _queries() -> list[str]:
    panels = commands.documents()["vigie-operations"]["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert asked
    return [expanding.promql(text, VIEW) for text in asked]


def _result(prometheus: str, text: str) -> list[Any]:
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": text}).json()
    assert answer["status"] == "success", (text, answer)
    found: list[Any] = answer["data"]["result"]
    return found
