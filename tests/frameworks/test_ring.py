"""The example of a federation without a server: what peers tell gives the distance between them."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from fastapi.testclient import TestClient
from vigie_client.bodies import Encoder

from app.core import clock
from app.core.database import Database
from app.federations.roles import Role
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.reports import ClientReport
from detectors.clients.consensus import neighbourhood_distance
from tests.rounds import BIN_SPEC, body, record

PEERS, ROUNDS = 6, 5

KeyOf = Callable[..., dict[str, str]]
RunExample = Callable[[str, dict[str, str]], str]


def test_lengths_and_cosines_carry_how_far_the_peers_are_from_agreeing(
    database: Database, federation: Federation, key_of: KeyOf, run_example: RunExample
) -> None:
    true = [float(line) for line in run_example("ring.py", key_of(Role.INGEST)).split()]
    later = clock.now() + timedelta(days=1)
    with clock.using(lambda: later), database.session_scope() as session:
        assert rounds.close_overdue(session) == ROUNDS  # nobody closed one
    told = stored(database, federation)
    assert [len(reports) for reports in told] == [PEERS] * ROUNDS
    assert [distance(reports) for reports in told] == pytest.approx(true, rel=1e-9)
    assert true[-1] < true[0]


def stored(database: Database, federation: Federation) -> list[list[ClientReport]]:
    """The records of each round, oldest first."""
    with database.read_scope() as session:
        found = sorted(rounds.recent(session, federation.id), key=lambda one: one.number)
        assert {one.state for one in found} == {"received"}
        reports = rounds.reports_of(session, [one.id for one in found])
    return [[report for report in reports if report.round_id == one.id] for one in found]


def distance(reports: list[ClientReport]) -> float:
    """What the service can make of a round's records: they have no weight in them."""
    updates = [report.record["update"] for report in reports]
    norms, means, cosines = (
        np.array([update[name] for update in updates]) for name in ("norm", "mean_norm", "cosine")
    )
    return neighbourhood_distance(norms, means, cosines).distance


def test_columns_carry_it_too(
    api: TestClient, database: Database, federation: Federation, key_of: KeyOf
) -> None:
    told, key = {"norm": 5.0, "cosine": 0.8, "mean_norm": 2.0}, key_of(Role.INGEST)
    spec = api.post("/v1/federations/flights/bin-specs", json=BIN_SPEC, headers=key).json()["id"]
    sent = Encoder(bulk="arrow").encode(body(record(update=told), spec=spec))
    headers = {**key, "Content-Type": sent.media_type}
    path = "/v1/federations/flights/runs/ring-1/rounds/1/fit"
    api.post(path, content=sent.data, headers=headers).raise_for_status()
    ((report,),) = stored(database, federation)
    assert report.record["update"] == told
