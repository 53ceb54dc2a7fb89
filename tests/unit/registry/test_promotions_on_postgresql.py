"""Promotions on PostgreSQL: evidence keeps its hash, and of decisions at once one wins."""

import threading
from uuid import UUID

import pytest

from app.core.database import Database
from app.core.errors import DomainError
from app.federations import service as federations
from app.federations.schemas import FederationIn
from app.federations.tables import Federation
from app.registry import service
from tests.unit.registry.lifecycle import approve, register_two, store_canary_rounds, submitted

PEOPLE = ("Grace", "Joan", "Alan", "Edsger")


@pytest.mark.postgres
def test_of_many_decisions_at_once_one_wins(postgres: Database) -> None:
    with postgres.session_scope() as session:
        body = FederationIn(name="flights", title="Flights", cohort_tags={"hub": ["EWR"]})
        federation = federations.create(session, body, "test")
    register_two(postgres, federation)
    with postgres.session_scope() as session:
        store_canary_rounds(session, federation, steps=3, gain=0.1)
        promotion = submitted(session, federation)
    answers = _decide_at_once(postgres, federation, promotion.id)
    with postgres.session_scope() as session:
        stored = service.get_promotion(session, federation.id, promotion.id)
    assert sorted(answers) == ["illegal_transition"] * 3 + ["won"]
    assert stored.decided_by in PEOPLE


def _decide_at_once(database: Database, federation: Federation, which: UUID) -> list[str]:
    start, answers = threading.Barrier(len(PEOPLE)), list[str]()

    def decide(actor: str, *, yes: bool) -> None:
        start.wait()
        try:
            with database.session_scope() as session:
                if yes:
                    approve(session, federation, which, actor, "agreed")
                else:
                    service.reject(session, federation, which, actor, "refused")
            answers.append("won")
        except DomainError as error:
            answers.append(error.code)

    threads = [
        threading.Thread(target=decide, args=(actor,), kwargs={"yes": at % 2 == 0})
        for at, actor in enumerate(PEOPLE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
