"""What is known of a version: its lineage, and the card that a reviewer reads."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.core.database import Database
from app.drift import service as drift
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import service
from app.registry.card_rendering import as_html, as_markdown
from app.registry.lineage import epsilon_spent
from app.rounds.accounting import epsilon_of_rho
from app.rounds.tables import RoundAggregate
from tests.unit.registry.lifecycle import (
    MODEL,
    approved,
    register,
    store_canary_rounds,
    stored_round,
)

KeyOf = Callable[..., dict[str, str]]
HOME = f"/v1/federations/flights/models/{MODEL}/versions"
NOISE = {"mechanism": "gaussian", "epsilon": 1.0, "delta": 1e-6, "sensitivity": 1.0}
EVIL = "<script>alert(1)</script> | [x](javascript:alert(1)) *b* \n# heading"


def fit(federation: Federation, number: int, run: str, **more: Any) -> Any:
    envelope = {"strategy": {"name": "FedAvg", "config_sha256": "c" * 64}, "privacy": NOISE}
    told = {"run": run, "envelope": envelope, "body_sha256": f"{number:064x}"}
    return stored_round(federation, number, "fit", **(told | more))


def measured(session: Session, federation: Federation, step: int, loss: float) -> None:
    round_ = stored_round(federation, step, "evaluate", body_sha256=f"{step:064x}")
    session.add(round_)
    session.flush()
    ids = {"round_id": round_.id, "measured": "model", "scope": "federation", "scope_key": ""}
    counted = {"clients": 8, "examples": 100, "counts": {}}
    told = {"loss_clients": 8, "loss_examples": 100, "loss_sum": 100 * loss}
    right = {"correct_clients": 8, "correct_examples": 100, "correct_count": 75.0}
    session.add(RoundAggregate(**ids, **counted, **told, **right))


@pytest.fixture
def versions(database: Database, federation: Federation) -> None:
    """Version 1, of three noised fit rounds, is champion; 2 and 3 come after it."""
    with database.session_scope() as session:
        session.add_all([fit(federation, number, "run-1") for number in (1, 2, 3)])
        session.flush()
        register(session, federation, 1, note=EVIL)
        register(session, federation, 2, parent_version="1")
        register(session, federation, 3, parent_version="2")
        for step, loss in ((10, 0.5), (11, 0.6), (12, 0.7)):
            measured(session, federation, step, loss)


def test_what_a_faithful_client_spent_is_composed_over_the_rounds(federation: Federation) -> None:
    rounds = [fit(federation, number, "run-1") for number in range(3)]
    from math import log

    rho = 3 * 1.0 / (4 * log(1.25 / 1e-6))
    assert epsilon_spent(rounds, 1e-5) == pytest.approx(epsilon_of_rho(rho, 1e-5), abs=1e-6)
    plain = [fit(federation, 1, "r", envelope={"privacy": {"mechanism": "none"}})]
    assert epsilon_spent(plain, 1e-5) is None


@pytest.mark.usefixtures("versions")
def test_lineage_over_http(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        newest = [stored_round(federation, n, "evaluate", run="ref") for n in range(20, 28)]
        session.add_all(newest)
        session.flush()
        reference = drift.freeze_newest(session, here, MODEL, "1", "Ada")
        assert reference is not None
    viewer = key_of(Role.VIEWER)
    told = api.get(f"{HOME}/1/lineage", headers=viewer).json()
    assert (told["rounds"], told["first_step"], told["last_step"]) == (3, 1, 3)
    assert [one["number"] for one in told["fit_rounds"]] == [1, 2, 3]
    assert (told["strategy"], told["config_sha256"]) == ("FedAvg", "c" * 64)
    assert told["privacy"]["mechanism"] == "gaussian"
    assert 0 < told["privacy"]["epsilon"] < 3
    assert [one["sha256"] for one in told["references"]] == [reference.sha256]
    assert told["weights_sha256"] == f"{1:064x}"
    third = api.get(f"{HOME}/3/lineage", headers=viewer).json()
    assert (third["parent"], third["ancestors"]) == ("2", ["2", "1"])
    assert third["rounds"] == 0
    assert api.get(f"{HOME}/9/lineage", headers=viewer).status_code == 404


@pytest.mark.usefixtures("versions")
def test_a_card_says_what_is_known_and_what_is_not(
    database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        card = service.card_of(session, federations.get(session, federation.id), MODEL, "1")
    loss, error = card.levels
    assert (card.role, loss.mean, loss.rounds) == ("champion", pytest.approx(0.6), 3)
    assert loss.lower is not None
    assert loss.upper is not None
    # Student's quantile for two degrees of freedom is 4.3027; the spread is 0.1.
    assert loss.upper - loss.mean == pytest.approx(4.30265 * 0.1 / 3**0.5, abs=1e-4)
    assert (error.mean, error.lower, error.upper) == (0.25, 0.25, 0.25)
    said = " ".join(card.limits)
    assert "Nobody has described this model" in said
    assert "No round was judged against a reference" in said


@pytest.mark.usefixtures("versions")
def test_what_people_wrote_stays_text(database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        card = service.card_of(session, federations.get(session, federation.id), MODEL, "1")
    page, text = as_html(card), as_markdown(card)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    (line,) = [line for line in text.splitlines() if line.startswith("| Note |")]
    assert "\\<script\\>" in line
    assert "\\[x\\]\\(javascript\\:" in line
    assert line.replace("\\|", "").count("|") == 3
    assert "\n# heading" not in text


def test_a_card_tells_of_the_canary_and_of_decisions(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        register(session, federation, 1)
        register(session, federation, 2)
        store_canary_rounds(session, federation, 4, 0.1)
        approved(session, federation)
    viewer = key_of(Role.VIEWER)
    card = api.get(f"{HOME}/2/card", headers=viewer).json()
    assert card["canary"]["recommendation"]["action"] == "promote"
    assert [(one["state"], one["decided_by"]) for one in card["decisions"]] == [
        ("approved", "Grace")
    ]
    page = api.get(f"{HOME}/2/card?format=html", headers=viewer)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in page.headers["content-security-policy"]
    assert "Version 2 for 1" in page.text
    text = api.get(f"{HOME}/2/card?format=md", headers=viewer).text
    assert text.startswith(f"# flights\\: {MODEL.replace('-', chr(92) + '-')}, version 2")
    assert api.get(f"{HOME}/2/card?format=pdf", headers=viewer).status_code == 422
    assert api.get(f"{HOME}/{uuid4().hex}/card", headers=viewer).status_code == 404
