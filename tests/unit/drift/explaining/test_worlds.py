"""Worlds of which it is known why they drift, and what is said of it."""

from datetime import timedelta

import pytest

from app.federations.roles import Role
from app.incidents import replaying
from tests.rounds import pseudonym
from tests.unit.drift.explaining.worlds import HOME, START, Flights, World

DRIFT, LAST = 9, 11
USUAL = Flights()


def test_a_concept_that_moved_in_one_cohort(world: World) -> None:
    def say(step: int, client: int) -> Flights:
        moved = step >= DRIFT and client % 3 == 0  # the clients at EWR
        return Flights(missed=0.7, alarmed=0.314) if moved else USUAL

    world.play(range(1, LAST + 1), say)
    found = world.explained(LAST, "error_rate")
    assert found["kind"]["kind"] == "abrupt"
    onset = found["onset"]
    assert onset["earliest_step"] <= onset["step"] == DRIFT <= onset["latest_step"]
    assert onset["at"].startswith(str((START + timedelta(weeks=DRIFT)).date()))
    assert found["origin"]["origin"] == "real"
    assert not found["origin"]["inputs_moved"]
    shares = {one["cohort"]: one["share"] for one in found["cohorts"]["hub"]}
    assert shares["hub=EWR"] == pytest.approx(1, abs=0.15)
    assert sum(shares.values()) == pytest.approx(1)
    (cluster,) = found["clusters"]["moved"]
    assert (cluster["clients"], cluster["cohorts"]) == (4, ["hub=EWR"])
    assert found["clusters"]["unmoved"] == 8
    largest = {one["client"] for one in found["clients"][:4]}
    assert {one["cluster"] for one in found["clients"][:4]} == {1}
    assert sum(one["share"] for one in found["clients"]) == pytest.approx(1, abs=0.01)
    assert len(largest) == 4
    assert found["split"]["within_client"] == pytest.approx(1, abs=0.1)
    assert "at 4 of 12 clients, most of it in hub=EWR, within clients" in found["sentence"]
    assert "inputs did not: the concept changed" in found["sentence"]


def test_labels_that_became_more_frequent(world: World) -> None:
    world.play(range(1, LAST + 1), lambda step, _: Flights(late=0.6) if step >= DRIFT else USUAL)
    assert world.explained(LAST, "label:late")["origin"]["origin"] == "label"


def test_inputs_that_moved_with_what_the_model_says(world: World) -> None:
    night = Flights(late=0.3, hours=(0.7, 0.1, 0.1, 0.1))
    world.play(range(1, LAST + 1), lambda step, _: night if step >= DRIFT else USUAL)
    found = world.explained(LAST, "feature:hour")
    assert (found["origin"]["origin"], found["origin"]["inputs_moved"]) == ("virtual", True)
    assert found["features"] == [{"subject": "feature:hour", "share": 1.0}]


def test_before_labels_came_the_origin_cannot_be_told(world: World) -> None:
    night = Flights(hours=(0.7, 0.1, 0.1, 0.1), labelled=False)
    world.play(range(1, LAST + 1), lambda step, _: night if step >= DRIFT else USUAL)
    found = world.explained(LAST, "feature:hour")
    assert found["origin"]["origin"] is None
    assert "cannot be told: no labels of the newest rounds have come yet" in found["sentence"]


def test_a_change_that_takes_its_time(world: World) -> None:
    def say(step: int, _client: int) -> Flights:
        return Flights(missed=0.2 + 0.08 * min(max(step - DRIFT + 1, 0), 6))

    world.play(range(1, 16), say)
    found = world.explained(15, "error_rate")
    assert found["kind"]["kind"] == "incremental"
    assert found["onset"]["earliest_step"] <= DRIFT + 2


def test_others_taking_part_are_no_drift_to_explain(world: World) -> None:
    """Half of the clients, which err twice as much as the others, stay away."""

    def say(step: int, client: int) -> Flights | None:
        if client % 2:
            return USUAL
        return None if step >= DRIFT else Flights(missed=0.6)

    world.play(range(1, LAST + 1), say)
    assert [one["subject"] for one in world.explanations(LAST)] == []


def test_a_past_version_that_fitted_this_is_named_and_none_for_what_is_new(world: World) -> None:
    summer, winter, new = (0.05, 0.25, 0.35, 0.35), (0.4, 0.4, 0.1, 0.1), (0.1, 0.1, 0.1, 0.7)
    world.play(range(1, 8), lambda _step, _client: Flights(hours=summer), version="1")
    world.play(range(8, 15), lambda _step, _client: Flights(hours=winter), version="2")
    world.play(range(15, 18), lambda _step, _client: Flights(hours=new, missed=0.6), version="2")
    assert world.explained(17, "feature:hour")["recurrence"] is None
    world.play(range(18, 21), lambda _step, _client: Flights(hours=summer, missed=0.6), version="2")
    told = world.explained(20, "feature:hour")
    found = told["recurrence"]
    assert (found["version"], found["metric"]) == ("1", "error_rate")
    assert found["figure_then"] == pytest.approx(0.3 * 0.2 + 0.7 * 0.1, abs=0.02)
    assert found["figure_now"] == pytest.approx(0.3 * 0.6 + 0.7 * 0.1, abs=0.02)
    assert found["probability"] >= 0.9
    assert "as in January 2013, when version 1 was the reference: it had error" in told["sentence"]


def test_clients_are_named_to_who_may_read_them_and_until_they_withdraw(world: World) -> None:
    def say(step: int, client: int) -> Flights:
        return Flights(missed=0.95, alarmed=0.9) if step >= DRIFT and client == 5 else USUAL

    world.play(range(1, LAST + 1), say)
    shown = world.explained(LAST, "error_rate", role=Role.VIEWER)
    assert shown["clients"] == []
    assert shown["clusters"]["moved"] == []
    assert shown["clusters"]["in_small_groups"] == 1
    named = world.explained(LAST, "error_rate", role=Role.OWNER)
    assert named["clients"][0]["client"] == pseudonym(5)
    assert named["clients"][0]["share"] == pytest.approx(1, abs=0.2)
    assert pseudonym(5) not in str(shown)
    replayed = replaying.replay(world.database, "flights", lambda _done, _all: None)
    assert (replayed.rounds, replayed.mismatches) == (LAST, [])
    withdrawn = world.api.post(
        f"{HOME}/withdrawals",
        json={"clients": [pseudonym(5)]},
        headers=world.key_of(Role.OWNER),
    )
    assert withdrawn.is_success, withdrawn.text
    after = world.explained(LAST, "error_rate", role=Role.OWNER)
    assert pseudonym(5) not in str(after)
    assert sum(one["share"] for one in after["clients"]) == pytest.approx(1, abs=0.01)
