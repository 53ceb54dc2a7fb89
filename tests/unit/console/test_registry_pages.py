"""What the model's pages show of MLflow and of cohorts, and what their forms ask for."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, select

from app.audit.tables import AuditEntry
from app.core import clock
from app.core.database import Database
from app.drift import service as drift
from app.federations import service as federations
from app.federations.roles import Role
from app.registry import deviations, repository, service
from app.registry.deviations import Difference, Kind
from app.registry.evidence_schemas import (
    ClustersOut,
    CohortCluster,
    CohortProposal,
    CohortProposalsOut,
)
from app.registry.tables import Model, Promotion
from tests.unit.console.conftest import SignIn, form_token
from tests.unit.console.world import MODEL, World

HERE = f"/f/flights/models/{MODEL}"
MOVED = Difference(Kind.ALIAS_MOVED, "", "champion", "1", "2")
CHANGED = Difference(Kind.WEIGHTS_CHANGED, "2", "weights", "a" * 64, "b" * 64)
SPLIT = CohortProposal(
    kind="split", cohort="hub=JFK", champion="1", candidate="2", clients=3, rounds=5,
    gain=0.2, lower=0.15, upper=0.25, e_value=900.0,
)  # fmt: skip
WORLDS = ClustersOut(
    clusters=2, rounds=5, lasting_share=1.0, lasting_rounds=4,
    cohorts=[CohortCluster(cohort="hub=JFK", clients=3, cluster=1, purity=1.0)],
)  # fmt: skip


def post(browser: TestClient, path: str, **fields: str) -> tuple[int, str]:
    answer = browser.post(path, data={"form_token": form_token(browser)} | fields)
    return answer.status_code, answer.headers.get("location", "")


def model_of(session: Session) -> Model:
    federation = federations.named(session, "flights")
    found = service.model_named(session, federation.id, MODEL)
    return repository.locked_model(session, found.id)


@pytest.fixture
def deviating(database: Database) -> None:
    with database.session_scope() as session:
        model = model_of(session)
        model.mirrored, model.mirrored_at = {"champion": "1", "canary": "2"}, clock.now()
        session.add(model)
        deviations.note(session, model, [MOVED, CHANGED])


@pytest.mark.usefixtures("deviating")
def test_a_repair_says_what_it_does_and_is_asked_for_with_a_reason(
    sign_in: SignIn, database: Database
) -> None:
    olu = sign_in(Role.ON_CALL)
    text = olu.get(HERE).text
    assert "A repair has champion point to MLflow&#39;s version 1 again." in text
    assert "A repair does nothing: MLflow cannot bring the file back." in text
    assert "Repair MLflow" not in sign_in(Role.VIEWER).get(HERE).text
    assert post(sign_in(Role.VIEWER), f"{HERE}/repair", reason="mine")[0] == 403
    assert post(olu, f"{HERE}/repair")[0] == 422
    assert post(olu, f"{HERE}/repair", reason="nobody decided that") == (303, HERE)
    assert "Olu asked for a repair" in olu.get(HERE).text
    with database.read_scope() as session:
        entry = session.exec(select(AuditEntry).where(AuditEntry.action == "registry.repair")).one()
    assert (entry.actor, entry.why) == ("Olu", "nobody decided that")


@pytest.mark.usefixtures("deviating")
def test_the_candidates_page_says_why_it_cannot_be_promoted(sign_in: SignIn, world: World) -> None:
    grace = sign_in(Role.VALIDATOR)
    text = grace.get(world.pages["promotion"]).text
    assert "its weights&#39; file is not the one that was checked" in text
    assert "Approve version 2" not in text
    assert "Reject" in text
    path, seen = f"{world.pages['promotion']}/approve", world.evidence_sha256
    assert post(grace, path, reason="better", evidence_sha256=seen)[0] == 409


@pytest.mark.parametrize(("labels", "shown"), [(["on time", "late"], "late"), ([], "class 1")])
def test_classes_have_their_names(
    sign_in: SignIn, world: World, database: Database, labels: list[str], shown: str
) -> None:
    counts = [[600.0, 120.0], [240.0, 240.0]]
    told = {"champion": counts, "candidate": counts, "difference": [[0.0, 0.0], [0.0, 0.0]]}
    with database.session_scope() as session:
        promotion = session.get(Promotion, world.promotion_id)
        assert promotion is not None
        confusion = told | ({"labels": labels} if labels else {})
        promotion.evidence = promotion.evidence | {"confusion": confusion}
    text = sign_in(Role.VIEWER).get(world.pages["promotion"]).text
    assert f"called {shown}</th>" in text
    assert f'<th scope="row">{shown}</th>' in text


def test_without_a_deviation_the_page_says_nothing_of_it(sign_in: SignIn) -> None:
    text = sign_in(Role.ON_CALL).get(HERE).text
    assert "MLflow's registry differs" not in text
    assert "Who is served by what" in text


def test_a_proposed_split_is_made_a_promotion(
    sign_in: SignIn, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = CohortProposalsOut(clusters=WORLDS, proposals=[SPLIT])
    monkeypatch.setattr(service, "cohort_proposals", lambda *_: found)
    page = f"{HERE}/cohorts"
    text = sign_in(Role.VIEWER).get(page).text
    for told in ("+0.2", "5 canary rounds", "in 4 rounds in a row", "hub=JFK", "is open"):
        assert told in text
    grace, ada = sign_in(Role.VALIDATOR), sign_in(Role.OWNER)
    post(grace, f"{world.pages['promotion']}/reject", reason="a split instead")
    assert "Draft the split" in ada.get(page).text
    asked = {"model": MODEL, "candidate": "2", "cohort": "hub=JFK", "reason": "two worlds"}
    status, where = post(ada, "/f/flights/promotions", **asked)
    assert status == 303
    text = ada.get(where).text
    assert "for hub=JFK" in text
    assert "split" in text


def test_without_evidence_the_page_says_so(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.VIEWER).get(f"{HERE}/cohorts").text
    assert "nothing speaks for a split or a merge" in text
    assert sign_in(key=world.stranger).get(f"{HERE}/cohorts").status_code == 404


def test_a_cohort_with_a_champion_of_its_own_is_shown(sign_in: SignIn, database: Database) -> None:
    from app.registry.cohort_champions import crown

    with database.session_scope() as session:
        crown(session, model_of(session), "hub=JFK", "2")
    for page in (HERE, f"{HERE}/cohorts"):
        text = sign_in(Role.VIEWER).get(page).text
        assert "<dt>hub=JFK</dt><dd>version 2</dd>" in text
        assert "All other clients" in text


def test_a_card_tells_of_every_drift_but_those_of_single_clients(database: Database) -> None:
    with database.read_scope() as session:
        here = federations.named(session, "flights")
        card = service.card_of(session, here, MODEL, "1")
        judged = drift.recent_rounds_with_verdicts(session, here.id, MODEL, "1", 16, 16)
    told = {
        (verdict.subject, verdict.scope_key or "federation"): round_.global_step
        for round_, verdicts in judged
        for verdict in verdicts
        if verdict.outcome == "drift" and verdict.scope != "client"
    }
    assert told["error_rate", "hub=EWR"] > 10
    assert {(one.subject, one.scope): one.last_step for one in card.drift.moved} == told
    assert card.drift.judged == len(judged)
