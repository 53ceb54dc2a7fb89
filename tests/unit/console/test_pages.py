"""What each page shows, and to whom."""

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.drift import service as drift
from app.federations.roles import ALLOWED, Permission, Role
from tests.rounds import pseudonym
from tests.unit.console.conftest import SignIn, form_token
from tests.unit.console.world import CALM, DRIFTING, HOLDERS, MODEL, World

PAGES = ("federation", "model", "inventory", "policy", "round", "incident", "promotion")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", list(Role))
def test_clients_are_shown_only_to_who_may_see_them(
    sign_in: SignIn, world: World, role: Role, page: str
) -> None:
    answer = sign_in(role).get(world.pages[page])
    assert answer.status_code == 200
    seen = re.findall(r"\bc_[0-9a-f]+", answer.text)
    displayed = re.findall(r"\bd_[0-9a-f]{12}\b", answer.text)
    expected = Permission.READ_CLIENTS in ALLOWED[role] and page in {"round", "incident"}
    by_pseudonym = Permission.READ_PSEUDONYMS in ALLOWED[role]
    assert bool(seen) == (expected and by_pseudonym)
    assert bool(displayed) == (expected and not by_pseudonym)
    assert all(len(short) == 8 for short in seen), "a pseudonym is shown by its start alone"
    assert not any(pseudonym(name) in answer.text for name in range(6))


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_cannot_tell_a_page_from_one_that_is_not_there(
    sign_in: SignIn, world: World, page: str
) -> None:
    stranger = sign_in(key=world.stranger)
    assert "Flights" not in stranger.get("/").text
    there = stranger.get(world.pages[page])
    nowhere = stranger.get(world.pages[page].replace("/f/flights", "/f/nowhere"))
    assert (there.status_code, nowhere.status_code) == (404, 404)
    assert there.text.replace("flights", "") == nowhere.text.replace("nowhere", "")


@pytest.mark.parametrize("page", ["round", "incident", "promotion"])
def test_what_another_federation_owns_is_not_in_ones_own(
    sign_in: SignIn, world: World, page: str
) -> None:
    stranger = sign_in(key=world.stranger)
    answer = stranger.get(world.pages[page].replace("/f/flights", "/f/trains"))
    assert answer.status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_names_that_people_chose_are_escaped(sign_in: SignIn, world: World, page: str) -> None:
    text = sign_in(Role.OWNER).get(world.pages[page]).text
    assert "Flights &lt;b&gt;from&lt;/b&gt; New York" in text
    assert "<b>from" not in text


@pytest.mark.parametrize("page", [page for page in PAGES if page != "inventory"])
def test_every_time_is_for_people_and_machines(sign_in: SignIn, world: World, page: str) -> None:
    text = sign_in(Role.OWNER).get(world.pages[page]).text
    times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', text)
    assert times
    assert all(machine.endswith("+00:00") and "UTC" in people for machine, people in times)


@pytest.mark.parametrize("page", PAGES)
def test_every_control_has_a_name_and_every_plot_words(
    sign_in: SignIn, world: World, page: str
) -> None:
    text = sign_in(Role.OWNER).get(world.pages[page]).text
    assert text.count("<h1") == 1
    assert text.index('class="skip"') < text.index("<header")
    assert text.count('role="img"') == text.count("<desc>")
    for control in re.findall(r'<(?:input|select|textarea)(?![^>]*type="hidden")[^>]*>', text):
        assert f"<label>{control}" in text or re.search(r"<label[^>]*>[^<]*" + control, text)


def test_the_overview_names_what_needs_somebody(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.VIEWER).get("/").text
    assert f'href="{world.pages["promotion"]}"' in text
    assert "may version 2 replace 1?" in text
    assert f'href="{world.pages["incident"]}"' in text


def test_a_federation_shows_verdicts_by_round_and_as_a_table(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.VIEWER).get(world.pages["federation"]).text
    assert "Log loss (nats per example)" in text
    assert text.count("The same as a table") == 2
    assert f"incident at step {DRIFTING[1]}" in text
    assert f"retraining asked for at step {DRIFTING[1]}" in text
    assert "<strong>1</strong> negative count" in text
    listed = re.findall(r'<tr><th scope="row"><a href="[^"]+">(\d+)</a>', text)
    assert listed[0] == "16"
    assert str(CALM[0]) not in listed


def test_a_round_shows_the_gravest_verdict_first(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.VIEWER).get(world.pages["round"]).text
    verdicts = text[text.index('<table class="verdicts">') :]
    outcomes = re.findall(r'class="badge (drift|warning|stable|insufficient_evidence)"', verdicts)
    assert outcomes[0] == "drift"
    assert "Score: reference and this round" in text
    assert f'href="{world.pages["round"]}/report"' in text


def test_an_incident_says_why_and_names_clients_to_who_may_read_them(
    sign_in: SignIn, world: World
) -> None:
    for role, sees_clients in ((Role.ON_CALL, True), (Role.VIEWER, False)):
        text = sign_in(role).get(world.pages["incident"]).text
        assert "since" in text.split("<h2>Why</h2><p>")[1].split("</p>")[0]
        assert "<dt>Origin</dt>" in text
        assert ("<dt>Clients</dt>" in text) is sees_clients


def test_an_incident_says_what_to_do_next(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.ON_CALL).get(world.pages["incident"]).text
    assert "take it on" in text
    assert "Opened on the evidence of step" in text
    assert "Retraining asked for by policy." in text


def test_a_promotion_lays_the_evidence_side_by_side(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.VALIDATOR).get(world.pages["promotion"]).text
    assert "Promote: the candidate&#39;s log loss is" in text
    for cohort in ("All clients", "hub=EWR", "hub=JFK"):
        assert f'<th scope="row">{cohort}</th>' in text
    assert "Candidate&#39;s log loss" in text or "Candidate's log loss" in text
    assert re.search(r"Evidence SHA-256</dt><dd><code>[0-9a-f]{64}</code>", text)


def test_a_promotion_shows_guardrails_the_test_by_round_and_who_is_missing(
    sign_in: SignIn, world: World
) -> None:
    text = sign_in(Role.VALIDATOR).get(world.pages["promotion"]).text
    for rail in ("error rate", "failures", "latency", "calibration", "fairness", "cohort loss"):
        assert f'<th scope="row">{rail}</th>' in text
    assert "The sequential test, round by round" in text
    assert "Still missing: validator." in text
    assert f'href="{world.pages["model"]}/versions/2/card"' in text


def test_people_talk_about_a_promotion_and_the_author_cannot_be_forged(
    sign_in: SignIn, world: World
) -> None:
    ana = sign_in(Role.ANALYST)
    path = world.pages["promotion"]
    said = {"form_token": form_token(ana), "text": "What of <b>JFK</b>?", "author": "Grace"}
    assert ana.post(f"{path}/comments", data=said).status_code == 303
    text = ana.get(path).text
    assert "<strong>Ana</strong>" in text
    assert "What of &lt;b&gt;JFK&lt;/b&gt;?" in text
    vic = sign_in(Role.VIEWER)
    refused = vic.post(f"{path}/comments", data=said | {"form_token": form_token(vic)})
    assert refused.status_code == 403


def test_evidence_that_was_not_seen_is_not_approved(sign_in: SignIn, world: World) -> None:
    grace, path = sign_in(Role.VALIDATOR), world.pages["promotion"]
    other = {"form_token": form_token(grace), "reason": "fine", "evidence_sha256": "0" * 64}
    assert grace.post(f"{path}/approve", data=other).status_code == 409
    assert "Awaiting review" in sign_in(Role.OWNER).get(path).text


def test_a_model_shows_versions_drift_incidents_and_retraining(
    sign_in: SignIn, world: World
) -> None:
    text = sign_in(Role.OWNER).get(world.pages["model"]).text
    assert re.search(r"Version 1</strong> <span class=.badge champion.>champion</span>", text)
    assert re.search(r"Version 2</strong> <span class=.badge canary.>canary</span>", text)
    assert f"<title>step {DRIFTING[1]}: drift</title>" in text
    assert f'href="{world.pages["incident"]}"' in text
    assert "Nobody has described this model" in text
    card = sign_in(Role.VIEWER).get(f"{world.pages['model']}/versions/2/card")
    assert card.status_code == 200
    assert "sandbox" in card.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("role", "page", "button"),
    [
        (Role.ON_CALL, "incident", "Acknowledge"),
        (Role.OWNER, "federation", "Ask the FL server"),
        (Role.VALIDATOR, "promotion", "Approve version 2"),
    ],
)
def test_forms_are_offered_to_who_may_send_them(
    sign_in: SignIn, world: World, role: Role, page: str, button: str
) -> None:
    assert button in sign_in(role).get(world.pages[page]).text
    assert button not in sign_in(Role.VIEWER).get(world.pages[page]).text


def test_the_submitter_is_told_why_not(sign_in: SignIn, world: World) -> None:
    text = sign_in(Role.OWNER).get(world.pages["promotion"]).text
    assert "You submitted it" in text
    assert "A validator decides" in sign_in(Role.ON_CALL).get(world.pages["promotion"]).text


def test_nobody_has_to_sign_in_to_sign_in(site: Callable[[], TestClient], world: World) -> None:
    page = site().get("/login?after=https://elsewhere.example/").text
    assert 'name="after" value="/"' in page
    assert HOLDERS[Role.OWNER] not in page
    assert MODEL not in page


def test_the_gravest_verdicts_on_clients_are_the_first_of_all(
    database: Database, world: World
) -> None:
    order = ("drift", "warning", "insufficient_evidence", "stable")
    with database.read_scope() as session:
        every = sorted(
            drift.client_verdicts(session, world.round_id),
            key=lambda v: (order.index(v.outcome), v.scope_key, v.subject, v.detector),
        )
        gravest = drift.gravest_client_verdicts(session, world.round_id, 10)
        drifting = list(drift.client_verdicts(session, world.round_id, drifting=True))
    assert [one.id for one in gravest] == [one.id for one in every[:10]]
    assert len(gravest) == 10
    assert {one.id for one in drifting} == {one.id for one in every if one.outcome == "drift"}
