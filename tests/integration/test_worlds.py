"""Real histories through the whole service: what is known to have happened is found, and explained.

The stroke trial from March 1992 to August 1993, and Beijing's air of the autumn of 2014. Both are
played by `benchmarks/worlds`, which says what is known of them; `benchmarks.evaluate` plays all of
their years.
"""

import numpy as np
import pytest

from benchmarks.streams.readers import absent
from benchmarks.worlds import scoring, tracking
from benchmarks.worlds.beijing import Beijing
from benchmarks.worlds.feddrift import FedDrift
from benchmarks.worlds.quiet import Quiet
from benchmarks.worlds.runner import Played, play
from benchmarks.worlds.scoring import Found, found
from benchmarks.worlds.stroke import BREAK, Stroke
from benchmarks.worlds.world import World

needs_data = pytest.mark.skipif(absent() is not None, reason=str(absent()))
STROKE = Stroke(last="1993-08")
BEIJING = Beijing("2014-08-18")
QUIET = Quiet(count=30, clients=60)


@pytest.fixture(scope="module")
def stroke() -> Played:
    """A year before the break, and half a year after it."""
    return play(STROKE)


@pytest.fixture(scope="module")
def beijing() -> Played:
    """The air of 2014, from eight weeks before the first change that is known."""
    return play(BEIJING)


def what_became_of(what: str, world: World, played: Played) -> Found:
    change = next(change for change in world.changes if change.what == what)
    return found(change, played.incidents, played.rounds)


@needs_data
def test_the_break_of_march_1993_is_found_within_one_month(stroke: Played) -> None:
    broken = what_became_of("the main trial begins", STROKE, stroke)
    assert broken.incident is not None
    assert broken.delay is not None
    assert broken.delay <= 1
    assert broken.right_kind


@needs_data
def test_the_break_is_attributed_to_the_three_variables_that_broke(stroke: Played) -> None:
    incident = what_became_of("the main trial begins", STROKE, stroke).incident
    assert incident is not None
    named = {line["subject"] for line in incident["evidence"]["subjects"]}
    assert named == {"feature:RATRIAL", "feature:RASP3", "feature:RXHEP"}


@needs_data
def test_the_break_is_explained(stroke: Played) -> None:
    """Inputs broke off at once, in March; which label goes with which prediction did not."""
    incident = what_became_of("the main trial begins", STROKE, stroke).incident
    assert incident is not None
    why = incident["evidence"]["explanation"]
    assert why["kind"]["kind"] == "abrupt"
    assert why["onset"]["earliest_at"][:7] <= BREAK <= why["onset"]["latest_at"][:7]
    assert why["origin"]["origin"] == "virtual"
    assert {one["subject"] for one in why["features"]} >= {"feature:RATRIAL", "feature:RASP3"}
    assert why["split"]["within_client"] > why["split"]["participation_mix"]


@needs_data
def test_what_happened_to_one_station_is_explained(beijing: Played) -> None:
    incident = what_became_of("Shunyi's pressure", BEIJING, beijing).incident
    assert incident is not None
    why = incident["evidence"]["explanation"]
    assert why["onset"]["earlier_possible"]
    assert "or before, at one client" in why["sentence"]


@needs_data
def test_nothing_is_opened_before_the_break(stroke: Played) -> None:
    opened = [stroke.name_of(incident["opened_step"]) for incident in stroke.incidents]
    assert [month for month in opened if month < BREAK] == []


@needs_data
@pytest.mark.parametrize(
    ("what", "latest"),
    [("emission controls", 2), ("Shunyi's pressure", 2), ("heating 2014", 4)],
)
def test_each_change_of_the_air_is_found_in_its_scope_as_what_it_is(
    beijing: Played, what: str, latest: int
) -> None:
    change = what_became_of(what, BEIJING, beijing)
    assert change.delay is not None, f"{what} was missed"
    assert change.delay <= latest
    assert change.right_kind


@needs_data
def test_no_incident_of_the_air_is_unexplained(beijing: Played) -> None:
    unknown = scoring.false_alarms(beijing.incidents, BEIJING.changes, beijing.rounds)
    assert [incident["title"] for incident in unknown] == []


@needs_data
def test_concepts_that_follow_on_one_another_are_found_as_by_the_library_alone() -> None:
    world = FedDrift("SEA", "B")
    alarms = tracking.of_service(play(world, verdicts=True))
    assert np.array_equal(alarms, tracking.of_library(world))
    assert alarms.any()


def test_swings_of_participation_open_nothing() -> None:
    played = play(QUIET)
    assert [incident["title"] for incident in played.incidents] == []
