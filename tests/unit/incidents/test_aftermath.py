"""After a retraining its incident closes on evidence, or opens again and stops a second try."""

from uuid import UUID

import pytest
from sqlmodel import select

from app.core import clock
from app.core.settings import Settings
from app.incidents import aftermath, service
from app.incidents.notices import announce_request
from app.incidents.states import Resolution
from app.incidents.tables import Announcement, Incident
from app.registry import service as registry
from app.registry.schemas import VersionIn
from app.registry.tables import Model
from app.retraining import service as retraining
from app.retraining.schemas import CompleteIn
from app.retraining.tables import RetrainRequest
from tests.unit.incidents.stories import AT, MODEL, Story, stable, verdict
from tests.unit.retraining.histories import beside

SERVER = "fl-1"


@pytest.fixture
def retrained(story: Story) -> RetrainRequest:
    """Version 1 drifted, and version 2 was trained for that."""
    body = VersionIn(run="first", weights_sha256="1" * 64)
    registry.register(story.session, story.federation, MODEL, body, SERVER)
    story.push(10, verdict())
    claimed = retraining.claim(story.session, story.federation, MODEL, SERVER, 60)
    assert claimed is not None
    made = CompleteIn(claimer=SERVER, run="again", weights_sha256="2" * 64, rounds=20)
    return retraining.complete(story.session, story.federation, claimed.id, made)


def promoted(story: Story, incident: Incident) -> Model:
    """Version 2 is champion, which closed the incident."""
    model = registry.model_named(story.session, story.federation.id, MODEL)
    model.champion = "2"
    service.end(story.session, incident, "promotion of version 2", Resolution.RETRAINED)
    return model


def looked_at(story: Story, request: UUID, gain: float) -> None:
    """The old version goes on as a shadow, and what the rounds say is looked at."""
    beside(story.session, story.federation, [11, 12, 13], "2", "1", -gain)
    aftermath.assess(story.session, request)


def test_the_request_says_why_and_on_what(story: Story, retrained: RetrainRequest) -> None:
    evidence = retrained.evidence
    assert (evidence["scope"], evidence["cohort"], evidence["since_step"]) == (
        "federation",
        None,
        10,
    )
    assert evidence["subjects"][0]["subject"] == "label:late"
    (decided,) = retraining.decisions_of(
        story.session, story.federation.id, incident_id=retrained.incident_id
    )
    assert (decided.answer, decided.request_id) == ("asked", retrained.id)


def test_every_round_has_it_looked_at_until_it_is_known(
    story: Story, retrained: RetrainRequest
) -> None:
    assert retraining.to_be_assessed(story.session, story.federation, MODEL) is retrained
    story.push(11, stable())
    beside(story.session, story.federation, [12, 13, 14], "1", "2", 0.08)
    aftermath.assess(story.session, retrained.id)
    assert retraining.to_be_assessed(story.session, story.federation, MODEL) is None


def test_a_version_in_use_that_helped_closes_the_incident(
    story: Story, retrained: RetrainRequest
) -> None:
    incident = story.only_incident()
    registry.model_named(story.session, story.federation.id, MODEL).champion = "2"
    looked_at(story, retrained.id, gain=0.08)
    assert (incident.state, incident.resolution) == ("resolved", "retrained")
    assert incident.resolved_by == "version 2, which helped"


def test_a_version_that_helped_and_is_not_in_use_does_not(
    story: Story, retrained: RetrainRequest
) -> None:
    looked_at(story, retrained.id, gain=0.08)
    assert story.only_incident().state == "open"


def test_one_that_did_not_help_opens_it_again_and_tells(
    story: Story, retrained: RetrainRequest
) -> None:
    incident = story.only_incident()
    promoted(story, incident)
    looked_at(story, retrained.id, gain=-0.08)
    assert (incident.state, incident.resolution, incident.resolved_at) == ("open", None, None)
    told = story.notices(Settings(alertmanager_url="http://alerts"))
    assert ("retraining_did_not_help", "log", "pending") in told
    assert ("retraining_did_not_help", "alertmanager", "pending") in told
    story.push(40, verdict(), version="2")
    newest = retraining.decisions_of(
        story.session, story.federation.id, incident_id=incident.id, limit=1
    )
    assert newest[0].answer == "did_not_help"


def test_it_can_be_resolved_and_told_of_again(story: Story, retrained: RetrainRequest) -> None:
    incident = story.only_incident()
    promoted(story, incident)
    looked_at(story, retrained.id, gain=-0.08)
    service.resolve(
        story.session, story.federation, incident.id, "Ada", Resolution.DATA_FAULT, "labels"
    )
    query = select(Announcement).where(Announcement.event == "resolved")
    assert sorted(one.step for one in story.session.exec(query)) == [0, 1]


def test_what_people_closed_otherwise_stays_closed(story: Story, retrained: RetrainRequest) -> None:
    incident = story.only_incident()
    service.resolve(
        story.session, story.federation, incident.id, "Ada", Resolution.FALSE_ALARM, "no"
    )
    looked_at(story, retrained.id, gain=-0.08)
    assert incident.state == "resolved"


def test_after_quiet_hours_it_is_asked_without_another_round(story: Story) -> None:
    story.policy(retraining={"quiet_hours": [11, 13]})
    with clock.using(lambda: AT):  # noon
        story.push(10, verdict())
        aftermath.ask_again(story.session)
    assert retraining.list_of(story.session, story.federation.id) == []
    with clock.using(lambda: AT.replace(hour=13)):
        aftermath.ask_again(story.session)
    (made,) = retraining.list_of(story.session, story.federation.id)
    assert made.incident_id == story.only_incident().id


def test_people_hear_of_what_waits_for_their_yes_and_servers_do_not(
    story: Story,
) -> None:
    story.policy(retraining={"approval": {"client_hours": 0}})
    story.push(10, verdict())
    (made,) = retraining.list_of(story.session, story.federation.id)
    announce_request(story.session, made.id)
    told = [
        line
        for line in story.notices(Settings(alertmanager_url="http://alerts"))
        if "retraining" in line[0]
    ]
    assert told == [("retraining_proposed", "log", "pending")]


def test_a_round_of_another_tenant_changes_nothing(story: Story, retrained: RetrainRequest) -> None:
    other = story.federation.model_copy(update={"id": retrained.id})
    assert retraining.to_be_assessed(story.session, other, MODEL) is None
