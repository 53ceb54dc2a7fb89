"""A round's progress: told as it is, and as events while it changes, from push to verdicts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.core.database import Database
from app.drift import progress_router
from app.federations.roles import Role
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.rounds.tables import Round
from tests.rounds import body, pseudonym

BASE = "/v1/federations/flights"
CLIENTS = ["AA", "UA", "DL"]


class Rounds:
    """Pushes rounds, and asks how far they are."""

    def __init__(self, api: TestClient, database: Database, headers: dict[str, str]) -> None:
        self.api, self.database, self.headers = api, database, headers

    def push(self, number: int, *, chunk: int | None = None, client: str | None = None) -> str:
        names = CLIENTS if client is None else [client]
        records = [{"client": pseudonym(name), "num_examples": 100} for name in names]
        told = body(*records, step=number)
        url = f"{BASE}/runs/run-1/rounds/{number}/evaluate"
        answer = self.api.post(
            url if chunk is None else f"{url}?chunk={chunk}",
            content=json.dumps(told),
            headers=self.headers,
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["round_id"])

    def close(self, number: int, chunks: int) -> None:
        url = f"{BASE}/runs/run-1/rounds/{number}/evaluate/close"
        answer = self.api.post(url, json={"chunks": chunks}, headers=self.headers)
        assert answer.status_code == 202, answer.text

    def judge(self, round_id: str) -> None:
        with self.database.session_scope() as session:
            found = session.exec(select(Round)).all()
            (round_,) = [one for one in found if str(one.id) == round_id]
            incidents.on_round(session, round_.id)

    def progress(self, round_id: str) -> dict[str, Any]:
        answer = self.api.get(f"{BASE}/rounds/{round_id}/progress", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def events(self, round_id: str) -> list[dict[str, Any]]:
        url = f"{BASE}/rounds/{round_id}/progress/events"
        with self.api.stream("GET", url, headers=self.headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = list(answer.iter_lines())
        return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


@pytest.fixture
def rounds(
    api: TestClient, database: Database, federation: Federation, key_of: Callable[..., Any]
) -> Rounds:
    return Rounds(api, database, key_of(Role.INGEST))


def test_a_round_in_chunks_is_received_then_waits_then_is_judged(rounds: Rounds) -> None:
    round_id = rounds.push(1, chunk=0, client="AA")
    assert rounds.progress(round_id)["text"] == "receiving 1/?"
    rounds.close(1, 2)
    assert rounds.progress(round_id)["text"] == "receiving 1/2"
    rounds.push(1, chunk=1, client="UA")
    told = rounds.progress(round_id)
    assert (told["stage"], told["ended"]) == ("waiting", False)
    rounds.judge(round_id)
    told = rounds.progress(round_id)
    assert (told["stage"], told["ended"], told["shards"]) == ("evaluated", True, 0)
    assert "no reference" in told["text"]


def test_a_late_chunk_has_a_round_wait_again(rounds: Rounds) -> None:
    round_id = rounds.push(1)
    rounds.judge(round_id)
    rounds.push(1, chunk=1, client="B6")
    assert rounds.progress(round_id)["stage"] == "waiting"


def test_events_come_as_it_changes_and_end_with_the_judging(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_id = rounds.push(1)
    looks = iter([lambda: None, lambda: rounds.judge(round_id)])

    async def instead_of_waiting(_seconds: float) -> None:
        next(looks)()

    monkeypatch.setattr(progress_router.asyncio, "sleep", instead_of_waiting)
    assert [event["stage"] for event in rounds.events(round_id)] == ["waiting", "evaluated"]


def test_a_stream_of_which_nothing_comes_ends(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_id = rounds.push(1)
    passed: list[float] = []

    async def instead_of_waiting(seconds: float) -> None:
        passed.append(seconds)

    monkeypatch.setattr(progress_router.asyncio, "sleep", instead_of_waiting)
    assert [event["stage"] for event in rounds.events(round_id)] == ["waiting"]
    assert sum(passed) == pytest.approx(progress_router.LONGEST, abs=progress_router.LAST_LOOK)
    assert max(passed) == progress_router.LAST_LOOK


@pytest.mark.parametrize("path", ["progress", "progress/events"])
def test_a_round_of_nobody_is_not_found(rounds: Rounds, path: str) -> None:
    url = f"{BASE}/rounds/00000000-0000-0000-0000-000000000000/{path}"
    answer = rounds.api.get(url, headers=rounds.headers)
    assert answer.status_code == 404
    assert answer.json()["title"]
