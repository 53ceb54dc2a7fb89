"""`vigie watch`: what is new, said once, until Ctrl-C."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import Result

from app.commands import watch

Vigie = Callable[..., Result]


class Service:
    """A service whose answers a test changes between two looks; the last look is cut by Ctrl-C."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, Any]] = []
        self.incidents: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []
        self.explanation = [{"sentence": "Log loss rose by 0.12 nats per example in hub=EWR."}]
        self.asked_verdicts = 0
        self.between: list[Callable[[], None]] = []
        self.trouble: list[httpx.Response] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        last = request.url.path.rsplit("/", 1)[-1]
        if last == "rounds" and self.trouble:
            return self.trouble.pop()
        self.asked_verdicts += last == "verdicts"
        return httpx.Response(200, json=getattr(self, last))

    def sleep(self, _seconds: float) -> None:
        if not self.between:
            raise KeyboardInterrupt
        self.between.pop(0)()

    def round(self, number: int, state: str) -> None:
        at = {"id": f"r{number}", "global_step": number, "number": number, "state": state}
        rest = {"model": "late", "version": "1", "run": "run-1", "phase": "evaluate"}
        known = [each for each in self.rounds if each["id"] != at["id"]]
        self.rounds = [{**at, **rest, "accepted": 3, "quarantined": 1}, *known]

    def incident(self, state: str, model: str = "late") -> None:
        self.incidents = [
            {"id": "i1", "model": model, "state": state, "severity": "critical", "last_step": 2}
            | {"title": "Concept drift"}
        ]


@pytest.fixture
def watched(
    monkeypatch: pytest.MonkeyPatch, network: Callable[[httpx.MockTransport], None]
) -> Service:
    service = Service()
    network(httpx.MockTransport(service.answer))
    monkeypatch.setattr(watch.time, "sleep", service.sleep)
    return service


DRIFT = {"outcome": "drift", "subject": "log_loss", "scope": "cohort", "scope_key": "hub=EWR"}
DRIFT |= {"effect": 0.1234, "effect_unit": "nats", "p_value": 0.00012}
STABLE = {**DRIFT, "outcome": "stable"}


def test_rounds_verdicts_and_incidents_are_told_once_as_they_come(
    vigie: Vigie, watched: Service
) -> None:
    watched.round(1, "evaluated")
    watched.incident("open", model="another")
    watched.verdicts = [DRIFT, STABLE, STABLE]
    watched.between = [
        lambda: watched.round(2, "received"),
        lambda: watched.round(2, "evaluated"),
        lambda: watched.incident("open"),
        lambda: None,
        lambda: watched.incident("resolved"),
    ]
    seen = vigie("watch", "--model", "late")
    assert seen.exit_code == 0, seen.output
    assert seen.stdout.splitlines() == [
        "step 2  late 1  evaluate round 2 of run-1: 3 accepted, 1 in quarantine",
        "step 2  judged: 1 drift, 2 stable",
        "step 2    drift: log_loss (cohort hub=EWR), effect 0.123 nats, p 0.00012",
        "step 2    why: Log loss rose by 0.12 nats per example in hub=EWR.",
        "step 2  incident open: Concept drift (critical, i1)",
        "step 2  incident resolved: Concept drift (critical, i1)",
    ]
    assert seen.stderr.splitlines()[-1] == "Stopped."
    assert watched.asked_verdicts == 1


def test_json_lines_name_the_event(vigie: Vigie, watched: Service) -> None:
    watched.round(1, "received")
    watched.between = [lambda: watched.round(1, "evaluated"), lambda: watched.incident("open")]
    lines = [json.loads(line) for line in vigie("watch", "--json").stdout.splitlines()]
    assert [line["event"] for line in lines] == ["verdicts", "incident"]
    assert lines[0]["round"]["id"] == "r1"
    assert lines[1]["title"] == "Concept drift"


def test_a_service_that_does_not_answer_is_waited_for(vigie: Vigie, watched: Service) -> None:
    def fail() -> None:
        watched.trouble.append(httpx.Response(503))

    watched.between = [fail, lambda: watched.round(1, "received")]
    seen = vigie("watch")
    assert "No answer; next look in" in seen.stderr
    assert "round 1 of run-1" in seen.stdout
    assert seen.exit_code == 0


def test_a_key_that_ends_while_watching_ends_it(vigie: Vigie, watched: Service) -> None:
    watched.between = [lambda: watched.trouble.append(httpx.Response(401))]
    seen = vigie("watch")
    assert seen.exit_code == 1
    assert "401" in seen.stderr
