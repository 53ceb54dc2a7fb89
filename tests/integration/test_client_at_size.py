"""vigie-client against the real service: whichever way a round goes, the same is judged."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlmodel import select
from vigie_client import RoundReporter

from app.core.database import Database
from app.federations.roles import Role
from app.rounds.reports import ClientReport, reports_of
from app.rounds.tables import ReportBlock, Round
from tests.rounds import BIN_SPEC, body, record

FEDERATION, MODEL = "flights", "late-arrival"
CLIENTS, CHUNKS = 300, 7
LATER = ("label_counts", "metrics", "confusion", "canary")
SECONDS = 60.0
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
NO_ROUND = UUID(int=0)

KeyOf = Callable[..., dict[str, str]]
Open = Callable[..., RoundReporter]


@pytest.fixture
def headers(key_of: KeyOf) -> dict[str, str]:
    return key_of(Role.INGEST)


@pytest.fixture
def sent() -> Counter[tuple[str, str]]:
    """How many requests there were, by run and media type."""
    return Counter()


@pytest.fixture
def open_reporter(
    api: TestClient, headers: dict[str, str], tmp_path: Path, sent: Counter[tuple[str, str]]
) -> Iterator[Open]:
    """A reporter whose network is the API, called in-process."""
    opened: list[RoundReporter] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        sent[path.split("/")[5], request.headers["Content-Type"]] += 1
        given = api.request(
            request.method, path, content=request.content, headers=dict(request.headers)
        )
        return httpx.Response(given.status_code, content=given.content, headers=given.headers)

    def opener(**options: Any) -> RoundReporter:
        key = headers["Authorization"].removeprefix("Bearer ")
        spool = tmp_path / f"spool-{len(opened)}"
        transport = httpx.MockTransport(answer)
        opened.append(
            RoundReporter(
                "http://vigie.test", key, FEDERATION, spool, transport=transport, **options
            )
        )
        return opened[-1]

    yield opener
    for reporter in opened:
        reporter.close()


@pytest.fixture
def round_(api: TestClient, headers: dict[str, str]) -> dict[str, Any]:
    """A canary round of everything a record can have; some clients failed, some have no hub."""
    spec = api.post(f"/v1/federations/{FEDERATION}/bin-specs", json=BIN_SPEC, headers=headers)
    records = [_record(number) for number in range(CLIENTS)]
    model = {"name": MODEL, "version": "1", "canary_version": "2"}
    return body(*records, spec=spec.json()["id"], model=model)


def _record(number: int) -> dict[str, Any]:
    draw = random.Random(number)
    n = draw.randint(50, 500)
    late = draw.randint(1, n // 2)
    if number % 20 == 0:
        failed = {"status": "error", "error_code": "out_of_memory", "num_examples": 0}
        return {"client": record(number)["client"], **failed}
    said = record(number, n, late, cohorts={"hub": draw.choice(["EWR", "JFK", "LGA"])})
    table = [[n - late, 0], [0, late]]
    canary = {"confusion": table, "agreement": table, "metrics": said["metrics"]}
    update = {"norm": draw.random(), "cosine": draw.uniform(-1, 1)} if number % 2 else {}
    return {**said, "confusion": table, "canary": canary, "update": update}


def test_whole_as_columns_split_and_shuffled_with_late_labels(
    open_reporter: Open,
    database: Database,
    round_: dict[str, Any],
    sent: Counter[tuple[str, str]],
) -> None:
    as_json, as_arrow = open_reporter(bulk="json"), open_reporter(bulk="arrow")
    small = open_reporter(max_body_bytes=10_000)
    as_json.push("json", 1, "canary", round_)
    as_arrow.push("arrow", 1, "canary", round_)
    small.push("split", 1, "canary", round_)
    _push_shuffled(as_arrow, "shuffled", round_)
    for reporter in (as_json, as_arrow, small):
        assert reporter.flush(SECONDS)
        assert (reporter.refused, reporter.pending) == (0, 0)
    judged = _judged(database)
    assert judged.keys() == {"json", "arrow", "split", "shuffled"}
    for run, reports in judged.items():
        assert len(reports) == CLIENTS, run
        assert reports == judged["json"], run
    assert sent["json", JSON] == sent["arrow", ARROW] == sent["shuffled", JSON] == 1
    assert sent["shuffled", ARROW] == CHUNKS + 3
    assert sent["split", JSON] + sent["split", ARROW] > CHUNKS


def _push_shuffled(reporter: RoundReporter, run: str, round_: dict[str, Any]) -> None:
    """Chunks without what is known later, closed before the last of them; then that."""
    records = round_["clients"]
    size = math.ceil(CLIENTS / CHUNKS)
    pushes: list[Callable[[], None]] = [
        lambda: reporter.close_round(run, 1, "canary", chunks=CHUNKS)
    ]
    for chunk in range(CHUNKS):
        share = records[chunk * size : (chunk + 1) * size]
        early = [{k: v for k, v in one.items() if k not in LATER} for one in share]
        content = {**round_, "clients": early}
        pushes.append(
            lambda chunk=chunk, content=content: reporter.push(  # type: ignore[misc]
                run, 1, "canary", content, chunk=chunk
            )
        )
    random.Random(4).shuffle(pushes)
    for push in pushes:
        push()
    known = ("client", "num_examples", *LATER)
    late = [{k: one[k] for k in known if k in one} for one in records if "metrics" in one]
    reporter.labels(run, 1, "canary", late[100:], chunk=CHUNKS + 1)
    reporter.labels(run, 1, "canary", late[:100], chunk=CHUNKS)
    reporter.labels(run, 1, "canary", late[:100], chunk=CHUNKS)  # the same: taken once


def _judged(database: Database) -> dict[str, list[ClientReport]]:
    """What each run's round is judged on."""
    with database.session_scope() as session:
        rounds = {one.id: one for one in session.exec(select(Round))}
        assert {one.state for one in rounds.values()} == {"received"}
        found: dict[str, list[ClientReport]] = {one.run: [] for one in rounds.values()}
        for report in reports_of(session.exec(select(ReportBlock)).all()):
            run = rounds[report.round_id].run
            found[run].append(replace(report, round_id=NO_ROUND))
        return found
