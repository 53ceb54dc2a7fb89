"""Champions of cohorts: proposed from the evidence, promoted like any other, served by the API."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.core.database import Database
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import mirroring, promoting, service
from app.registry.errors import ManyTagsError, NotACandidateError, UnknownCohortError
from app.registry.tables import Promotion
from app.registry.twins import alias_of
from tests.mirrored import mirrored
from tests.rounds import blocks
from tests.unit.registry.lifecycle import (
    MODEL,
    OWNER,
    VALIDATOR,
    approve,
    canary_report,
    register_two,
    stored_round,
)

EWR, JFK = "hub=EWR", "hub=JFK"
N = 400


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        yield session


def two_worlds(
    session: Session,
    federation: Federation,
    rounds: int = 5,
    gain_at_jfk: float = 0.2,
    versions: tuple[str, str] = ("1", "2"),
    start: int = 0,
) -> None:
    """At JFK the champion errs twice as often as at EWR, and the candidate is better."""
    rng = np.random.default_rng(start)
    for step in range(start, start + rounds):
        champion, candidate = versions
        round_ = stored_round(
            federation, step, "canary", version=champion, canary_version=candidate
        )
        session.add(round_)
        session.flush()
        reports = []
        for client in range(12):
            hub, gain = ("EWR", -0.05) if client < 6 else ("JFK", gain_at_jfk)
            noise = 0.01 * rng.normal()
            report = canary_report(round_, client, 0.5, 0.5 - gain + noise, N, hub)
            wrong = 40 if hub == "EWR" else 120
            report.record["confusion"] = [[200, 0], [wrong, N - 200 - wrong]]
            reports.append(report)
        session.add_all(blocks(reports))
    session.flush()


def promoted(session: Session, federation: Federation, candidate: str, cohort: str) -> Promotion:
    drafted = service.draft_promotion(
        session, federation, MODEL, candidate, OWNER, "better there", cohort
    )
    service.submit(session, federation, drafted.id, OWNER)
    promotion = approve(session, federation, drafted.id, VALIDATOR, "agreed")
    wanted = promoting.prepare(session, promotion.id)
    assert wanted is not None
    assert wanted.aliases[alias_of(cohort)] == (None if promotion.kind == "merge" else candidate)
    promoting.record(session, promotion.id, mirrored(wanted))
    return promotion


def served(session: Session, federation: Federation, *cohorts: str) -> tuple[str, str]:
    found = service.serving(session, federation, MODEL, cohorts)
    return found.version, found.alias


def test_a_split_is_proposed_where_clients_live_apart_and_gain(
    session: Session, federation: Federation
) -> None:
    two_worlds(session, federation)
    found = service.cohort_proposals(session, federation, MODEL)
    assert found.clusters is not None
    assert (found.clusters.clusters, found.clusters.lasting_share) == (2, 1)
    assert found.clusters.lasting_rounds == 5
    assert {one.cohort: one.purity for one in found.clusters.cohorts} == {EWR: 1, JFK: 1}
    (split,) = found.proposals
    assert (split.kind, split.cohort, split.candidate, split.clients) == ("split", JFK, "2", 6)
    assert split.gain == pytest.approx(0.2, abs=0.01)
    assert split.lower > 0
    assert split.rounds == 5


def test_no_split_where_all_live_in_one_world(session: Session, federation: Federation) -> None:
    two_worlds(session, federation)
    federation.min_cohort_size = 7  # nor where cohorts are too small to be told apart
    assert service.cohort_proposals(session, federation, MODEL).proposals == []


def test_a_cohorts_promotion_is_about_its_clients_alone(
    session: Session, federation: Federation
) -> None:
    two_worlds(session, federation)
    split = promoted(session, federation, "2", JFK)
    assert (split.kind, split.state, split.evidence["cohort"]) == ("split", "applied", JFK)
    assert (split.evidence["examples"], len(split.evidence["cohorts"])) == (6 * 5 * N, 0)
    assert split.evidence["recommendation"]["action"] == "promote"
    assert service.model_of(session, split).champion == "1"
    assert served(session, federation, JFK) == ("2", f"champion.{JFK}")
    assert served(session, federation, EWR) == ("1", "champion")
    assert served(session, federation) == ("1", "champion")
    found = service.serving(session, federation, MODEL, [])
    assert found.champions == {"champion": "1", f"champion.{JFK}": "2"}


def test_a_split_is_rolled_back(session: Session, federation: Federation) -> None:
    two_worlds(session, federation)
    split = promoted(session, federation, "2", JFK)
    service.roll_back(session, federation, split.id, VALIDATOR, "worse at night")
    assert served(session, federation, JFK) == ("1", "champion")
    wanted = mirroring.wanted_of(session, service.model_of(session, split))
    assert wanted is not None
    assert wanted.aliases[alias_of(JFK)] is None


def test_a_merge_is_proposed_once_worlds_converge_and_undoes_the_split(
    session: Session, federation: Federation
) -> None:
    two_worlds(session, federation)
    promoted(session, federation, "2", JFK)
    assert service.cohort_proposals(session, federation, MODEL).proposals == []
    two_worlds(session, federation, gain_at_jfk=0.03, versions=("2", "1"), start=50)
    found = service.cohort_proposals(session, federation, MODEL).proposals
    assert [(one.kind, one.cohort, one.candidate) for one in found] == [("merge", JFK, "1")]
    merge = promoted(session, federation, "1", JFK)
    assert merge.kind == "merge"
    assert served(session, federation, JFK) == ("1", "champion")


def test_cohorts_share_one_tag_and_are_on_the_allow_list(
    session: Session, federation: Federation
) -> None:
    two_worlds(session, federation)
    for unknown in ("hub=ORD", "size=small"):
        with pytest.raises(UnknownCohortError):
            service.draft_promotion(session, federation, MODEL, "2", OWNER, "why", unknown)
    with pytest.raises(NotACandidateError):
        service.draft_promotion(session, federation, MODEL, "1", OWNER, "why", JFK)
    promoted(session, federation, "2", JFK)
    federation.cohort_tags = federation.cohort_tags | {"size": ["small"]}
    with pytest.raises(ManyTagsError):
        service.draft_promotion(session, federation, MODEL, "2", OWNER, "why", "size=small")


def test_a_server_asks_by_cohort_tags(
    api: TestClient,
    database: Database,
    federation: Federation,
    key_of: Callable[..., dict[str, str]],
) -> None:
    register_two(database, federation)
    with database.session_scope() as session:
        two_worlds(session, federation)
        promoted(session, federation, "2", JFK)
    place, server = f"/v1/federations/flights/models/{MODEL}", key_of(Role.INGEST)
    asked = api.get(f"{place}/serving", params={"cohort": [JFK]}, headers=server)
    assert asked.json() == {
        "version": "2",
        "alias": f"champion.{JFK}",
        "cohort": JFK,
        "champions": {"champion": "1", f"champion.{JFK}": "2"},
    }
    assert api.get(f"{place}/serving", params={"cohort": "x"}, headers=server).status_code == 422
    beside = api.get(f"{place}/versions/1/comparison", params={"cohort": JFK}, headers=server)
    assert (beside.json()["champion"], beside.json()["cohort"]) == ("2", JFK)
    proposed = api.get(f"{place}/cohort-proposals", headers=server).json()
    assert proposed["clusters"]["clusters"] == 2
