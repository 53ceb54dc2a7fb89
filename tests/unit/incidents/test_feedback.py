"""False alarms are stored and counted; the policy that follows is proposed with its price."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.federations import service as federations
from app.federations.roles import Role
from app.incidents import feedback, service
from app.incidents.feedback import Feedback
from app.incidents.states import Resolution
from app.incidents.tables import FalseAlarm
from tests.unit.incidents.stories import Story, verdict

KeyOf = Callable[..., dict[str, str]]


def judge(story: Story, step: int, resolution: Resolution, **more: object) -> None:
    """A round opens an incident, which somebody resolves."""
    story.policy(incidents={"hold_off_rounds": 0})
    story.push(step, verdict(**more))
    incident = next(one for one in story.incidents() if one.state != "resolved")
    service.resolve(story.session, story.federation, incident.id, "Ada", resolution, "seen")


def of(story: Story, subject: str = "label:late") -> Feedback:
    found = feedback.of_federation(story.session, story.federation)
    return next(one for one in found if one.subject == subject)


def test_a_false_alarm_is_stored_for_every_detector_and_subject(story: Story) -> None:
    both = (verdict(), verdict(detector="e-process", effect=-0.09), verdict(subject="error_rate"))
    story.push(1, *both)
    incident = story.only_incident()
    here = story.federation
    service.resolve(story.session, here, incident.id, "Ada", Resolution.FALSE_ALARM, "a holiday")
    rows = story.session.exec(select(FalseAlarm)).all()
    assert {(row.detector, row.subject, row.effect, row.by) for row in rows} == {
        ("median-shift", "label:late", 0.08, "Ada"),
        ("e-process", "label:late", 0.09, "Ada"),
        ("median-shift", "error_rate", 0.08, "Ada"),
    }


def test_other_resolutions_store_none(story: Story) -> None:
    judge(story, 1, Resolution.NEW_NORMAL)
    assert story.session.exec(select(FalseAlarm)).all() == []
    assert (of(story).incidents, of(story).false_alarms, of(story).share) == (1, 0, 0.0)


def test_few_false_alarms_propose_nothing(story: Story) -> None:
    for step in (1, 2):
        judge(story, step, Resolution.FALSE_ALARM)
    assert (of(story).false_alarms, of(story).proposal) == (2, None)


def test_a_minority_of_false_alarms_proposes_nothing(story: Story) -> None:
    for step in range(1, 4):
        judge(story, step, Resolution.FALSE_ALARM)
    for step in range(4, 8):
        judge(story, step, Resolution.DATA_FAULT)
    assert (of(story).incidents, of(story).false_alarms, of(story).proposal) == (7, 3, None)


def test_many_propose_a_larger_effect(story: Story) -> None:
    for step, effect in enumerate((0.06, 0.07, -0.08), start=1):
        judge(story, step, Resolution.FALSE_ALARM, effect=effect)
    judge(story, 4, Resolution.RETRAINED, effect=0.3)
    proposal = of(story).proposal
    assert proposal is not None
    assert proposal.field == "drift.subjects.label:late.effect"
    assert (proposal.before, proposal.after) == (0.05, 0.089)
    assert (proposal.false_alarms_spared, proposal.incidents_missed) == (3, 0)


def test_nothing_that_was_confirmed_is_to_be_lost(story: Story) -> None:
    for step, effect in enumerate((0.06, 0.062, 0.063, 0.08), start=1):
        judge(story, step, Resolution.FALSE_ALARM, effect=effect)
    judge(story, 5, Resolution.DATA_FAULT, effect=0.07)
    proposal = of(story).proposal
    assert proposal is not None
    assert (proposal.after, proposal.false_alarms_spared, proposal.incidents_missed) == (0.07, 3, 0)


def test_without_a_line_between_them_nothing_is_proposed(story: Story) -> None:
    for step, effect in enumerate((0.06, 0.07, -0.08), start=1):
        judge(story, step, Resolution.FALSE_ALARM, effect=effect)
    judge(story, 4, Resolution.DATA_FAULT, effect=0.065)
    assert of(story).proposal is None


def test_nothing_is_applied(story: Story) -> None:
    judge(story, 1, Resolution.FALSE_ALARM)
    before = federations.policy_of(story.federation)
    for step in range(2, 6):
        judge(story, step, Resolution.FALSE_ALARM)
    assert of(story).proposal is not None
    assert federations.policy_of(story.federation) == before


def test_a_distance_has_no_threshold_of_one_subject(story: Story) -> None:
    for step in range(1, 4):
        judge(story, step, Resolution.FALSE_ALARM, detector="energy", subject="score")
    assert (of(story, "score").false_alarms, of(story, "score").proposal) == (3, None)


@pytest.mark.parametrize(
    ("effect", "rounded"), [(0.088, 0.089), (0.0871, 0.088), (12.3, 13.0), (1e-9, 1.1e-9)]
)
def test_a_proposed_effect_is_a_little_larger_and_readable(effect: float, rounded: float) -> None:
    assert feedback._rounded_up(effect) == pytest.approx(rounded)
    assert feedback._rounded_up(effect) > effect


def test_over_http_it_has_a_share(api: TestClient, key_of: KeyOf) -> None:
    answer = api.get("/v1/federations/flights/feedback", headers=key_of(Role.VIEWER))
    assert (answer.status_code, answer.json()) == (200, [])
