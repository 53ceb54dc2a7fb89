"""From judged rounds to incidents: when one opens, what keeps it open, and what ends it."""

from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from app.audit import service as audit
from app.core.errors import NotFoundError
from app.drift import service as drift
from app.incidents import service
from app.incidents.states import Resolution
from app.incidents.tables import Incident
from app.registry import service as registry
from app.registry.tables import Model, Promotion
from app.retraining import service as retraining
from tests.rounds import pseudonym
from tests.unit.incidents.stories import AT, MODEL, Story, at_clients, stable, verdict


def test_a_round_without_verdicts_does_nothing(story: Story) -> None:
    story.push(1, verdict())
    story.push(2)
    assert story.only_incident().quiet_rounds == 0


def test_a_stable_round_opens_nothing(story: Story) -> None:
    story.push(1, stable(), verdict(outcome="warning", subject="log_loss"))
    assert story.incidents() == []


def test_drift_opens_one_incident_with_its_evidence(story: Story) -> None:
    absorbed = [verdict("cohort", "hub=EWR"), *at_clients(9, 16)]
    round_ = story.push(23, verdict(subject="log_loss"), verdict(effect=0.09), *absorbed)
    incident = story.only_incident()
    assert incident.title == "Drift in label:late and 1 more at 9 of 16 clients since step 23"
    assert incident.cause == f"{MODEL}/concept/federation//label:late/23"
    assert (incident.state, incident.severity, incident.subject) == (
        "open",
        "warning",
        "label:late",
    )
    assert (incident.opened_round, incident.onset_step, incident.last_step) == (round_.id, 23, 23)
    assert incident.evidence["clients_drifting"] == 9
    behind = service.verdicts_behind(story.session, incident)
    drifting = [v for v in drift.verdicts_of(story.session, round_.id) if v.outcome == "drift"]
    assert {v.id for v in behind} == {v.id for v in drifting}
    assert len(behind) == 2 + 1 + 9


def test_a_cohort_alone_opens_its_own(story: Story) -> None:
    story.push(1, stable(), verdict("cohort", "hub=EWR"))
    incident = story.only_incident()
    assert (incident.scope, incident.scope_key) == ("cohort", "hub=EWR")


def test_a_client_alone_opens_its_own_only_where_policy_says_so(story: Story) -> None:
    story.push(1, stable(), *at_clients(1, 3))
    assert story.incidents() == []
    story.policy(incidents={"scopes": ["federation", "cohort", "client"]})
    story.push(2, stable(), *at_clients(1, 3))
    assert story.only_incident().scope_key == pseudonym(0)


def test_drift_has_to_persist_where_policy_says_so(story: Story) -> None:
    story.policy(incidents={"persistence": 2, "window": 3})
    story.push(1, verdict())
    story.push(2, stable())
    assert story.incidents() == []
    story.push(3, verdict())
    incident = story.only_incident()
    assert (incident.onset_step, incident.opened_step) == (3, 3)


def test_persistence_alone_asks_for_as_many_rounds_in_a_row(story: Story) -> None:
    story.policy(incidents={"persistence": 3})
    for step, found in enumerate((verdict(), verdict(), stable(), verdict(), verdict()), 1):
        story.push(step, found)
    assert story.incidents() == []
    story.push(6, verdict())
    assert story.only_incident().opened_step == 6


def test_drift_that_is_too_old_does_not_count(story: Story) -> None:
    story.policy(incidents={"persistence": 2, "window": 2})
    story.push(1, verdict())
    story.push(2, stable())
    story.push(3, verdict())
    assert story.incidents() == []


def test_more_evidence_updates_the_same_incident(story: Story) -> None:
    story.push(1, verdict())
    story.push(2, verdict(effect=0.07), verdict(subject="log_loss", effect=0.09))
    incident = story.only_incident()
    assert (incident.onset_step, incident.last_step, incident.subject) == (1, 2, "log_loss")
    assert incident.title == "Drift in log_loss and 1 more since step 1"
    assert len(service.verdicts_behind(story.session, incident)) == 3


def test_severity_escalates_and_never_falls(story: Story) -> None:
    story.push(1, verdict())
    story.push(2, verdict(effect=0.2))
    assert story.only_incident().severity == "critical"
    story.push(3, verdict())
    assert story.only_incident().severity == "critical"
    assert [event for event, *_ in story.notices()] == ["opened", "escalated"]


def test_quiet_rounds_in_a_row_resolve_it(story: Story) -> None:
    story.push(1, verdict())
    story.push(2, stable())
    story.push(3, stable())
    story.push(4, verdict())
    for step in (5, 6):
        story.push(step, stable())
    assert story.only_incident().state == "open"
    story.push(7, stable())
    incident = story.only_incident()
    assert (incident.state, incident.resolution) == ("resolved", "subsided")
    assert incident.resolved_at is not None
    assert (incident.last_step, incident.quiet_rounds) == (4, 3)


def test_too_little_evidence_is_not_quiet(story: Story) -> None:
    story.push(1, verdict())
    for step in range(2, 8):
        story.push(step, verdict(outcome="insufficient_evidence"))
    assert (story.only_incident().state, story.only_incident().quiet_rounds) == ("open", 0)


def test_a_round_that_arrives_late_takes_nothing_back(story: Story) -> None:
    story.push(9, verdict())
    story.push(5, verdict())
    assert story.only_incident().last_step == 9
    for step in (6, 7, 8):
        story.push(step, stable())
    assert (story.only_incident().state, story.only_incident().quiet_rounds) == ("open", 0)


def test_what_comes_back_is_linked_to_what_was(story: Story) -> None:
    story.policy(incidents={"hold_off_rounds": 0})
    story.push(1, verdict())
    for step in (2, 3, 4):
        story.push(step, stable())
    story.push(5, verdict())
    first, second = story.incidents()
    assert second.recurs_of == first.id
    assert (second.onset_step, second.state) == (5, "open")


def test_evidence_of_a_resolved_incident_is_not_used_twice(story: Story) -> None:
    story.policy(incidents={"persistence": 2, "window": 5, "hold_off_rounds": 0})
    story.push(1, verdict())
    story.push(2, verdict())
    first = story.only_incident()
    service.resolve(
        story.session, story.federation, first.id, "Ada", Resolution.DATA_FAULT, "fixed"
    )
    story.push(3, verdict())
    assert len(story.incidents()) == 1
    story.push(4, verdict())
    assert story.incidents()[-1].onset_step == 3


def test_a_cohorts_tail_of_the_federations_drift_is_no_incident(story: Story) -> None:
    story.push(1, verdict(), verdict("cohort", "hub=EWR"))
    story.push(2, stable(), verdict("cohort", "hub=EWR"))
    assert story.only_incident().scope == "federation"


def test_an_open_cause_takes_evidence_from_every_version(story: Story) -> None:
    story.push(1, verdict())
    story.push(2, verdict(), version="2")
    incident = story.only_incident()
    assert (incident.version, incident.last_step) == ("2", 2)


def test_a_promotion_resolves_what_the_old_champion_had(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.push(1, verdict(), verdict("cohort", "hub=EWR", subject="score", family="data"))
    promotion = Promotion(
        federation_id=story.federation.id, model_id=uuid4(), candidate="2", champion="1",
        submitted_by="Ada", submitted_by_id="name:ada", created_at=AT,
    )  # fmt: skip
    monkeypatch.setattr(registry, "promotion_with_id", lambda session, which: promotion)
    monkeypatch.setattr(registry, "model_of", lambda session, which: Model(
        federation_id=story.federation.id, name=MODEL, created_at=AT
    ))  # fmt: skip
    service.on_promotion_applied(story.session, promotion.id)
    (concept,) = [incident for incident in story.incidents() if incident.family == "concept"]
    assert (concept.state, concept.resolution) == ("resolved", "retrained")


def test_a_serious_incident_asks_for_retraining_in_words(story: Story) -> None:
    story.push(23, verdict(), *at_clients(9, 16))
    (request,) = retraining.list_of(story.session, story.federation.id)
    incident = story.only_incident()
    assert (request.incident_id, request.base_version) == (incident.id, "1")
    assert request.requested_step == 23
    assert incident.title in request.reason
    story.push(24, verdict(effect=0.2))
    assert len(retraining.list_of(story.session, story.federation.id)) == 1


def test_drift_of_the_inputs_alone_asks_for_none(story: Story) -> None:
    story.push(1, verdict(subject="score", family="data"))
    assert len(story.incidents()) == 1
    assert retraining.list_of(story.session, story.federation.id) == []


def test_every_step_is_in_the_audit_log(story: Story) -> None:
    story.push(1, verdict())
    story.push(2, verdict(effect=0.2))
    for step in (3, 4, 5):
        story.push(step, stable())
    newest = audit.newest(story.session, story.federation.id)
    actions = [e.action for e in newest if e.action.startswith("incident.")]
    assert actions == ["incident.resolve", "incident.escalate", "incident.open"]
    audit.verify(story.session)


def test_an_incident_is_one_for_its_federation_alone(story: Story) -> None:
    story.push(1, verdict())
    (row,) = story.session.exec(select(Incident)).all()
    with pytest.raises(NotFoundError):
        service.get(story.session, uuid4(), row.id)
    assert service.list_of(story.session, uuid4()) == []


def flap(story: Story, *, hold_off: int, **more: Any) -> None:
    """Drift at step 1 that subsides at step 4, and drift again at step 6."""
    story.policy(incidents={"hold_off_rounds": hold_off})
    story.push(1, verdict())
    for step in (2, 3, 4, 5):
        story.push(step, stable())
    story.push(6, verdict(**more))


def test_flapping_opens_and_tells_nothing_within_the_hold_off(story: Story) -> None:
    flap(story, hold_off=2)
    incident = story.only_incident()
    assert (incident.state, incident.resolved_step) == ("resolved", 4)
    assert len(service.verdicts_behind(story.session, incident)) == 2
    assert [event for event, *_ in story.notices()] == ["opened", "resolved"]


def test_what_lasts_longer_than_the_hold_off_recurs(story: Story) -> None:
    flap(story, hold_off=2)
    story.push(7, verdict())
    first, second = story.incidents()
    assert (second.recurs_of, second.onset_step, second.opened_step) == (first.id, 6, 7)


def test_after_the_hold_off_it_recurs_at_once(story: Story) -> None:
    flap(story, hold_off=1)
    first, second = story.incidents()
    assert (second.recurs_of, second.onset_step) == (first.id, 6)


def test_what_comes_back_more_severe_waits_for_nothing(story: Story) -> None:
    flap(story, hold_off=9, effect=0.3)
    assert [incident.severity for incident in story.incidents()] == ["warning", "critical"]


def test_another_subject_is_no_flapping(story: Story) -> None:
    flap(story, hold_off=9, subject="error_rate")
    first, second = story.incidents()
    assert (second.recurs_of, first.state) == (None, "resolved")


def test_a_new_subject_long_after_is_an_incident_of_its_own(story: Story) -> None:
    hour = {"family": "data", "subject": "feature:hour"}
    origin = {"family": "data", "subject": "feature:origin"}
    for step in range(1, 6):
        story.push(step, verdict(**hour), stable(**origin))
    story.push(6, verdict(**hour), verdict(**origin))
    first, second = story.incidents()
    assert (first.onset_step, first.last_step, first.subject) == (1, 6, "feature:hour")
    assert (second.onset_step, second.subject) == (6, "feature:origin")
    assert second.title == "Drift in feature:origin since step 6"


def test_a_run_began_where_it_left_stable_and_not_where_it_was_sure(story: Story) -> None:
    story.push(1, stable())
    story.push(2, stable(outcome="warning"))
    story.push(3, verdict(outcome="insufficient_evidence"))
    story.push(4, verdict())
    assert story.only_incident().onset_step == 2


def test_a_new_jump_of_the_same_subject_is_told_of_once(story: Story) -> None:
    for step in range(1, 6):
        story.push(step, verdict(effect=0.11))
    for step in range(6, 9):
        story.push(step, verdict(effect=0.3))
    assert story.only_incident().severity == "critical"
    assert [event for event, *_ in story.notices()] == ["opened", "worsened"]
    newest = audit.newest(story.session, story.federation.id)
    assert "incident.worsen" in {entry.action for entry in newest}


def test_an_incident_of_one_feature_asks_for_retraining_where_the_model_errs(story: Story) -> None:
    story.push(1, verdict(subject="feature:hour", family="data"), verdict(subject="log_loss"))
    incident = story.only_incident()
    assert (incident.family, incident.subject) == ("data", "feature:hour")
    (request,) = retraining.list_of(story.session, story.federation.id)
    assert request.incident_id == incident.id


def test_what_went_back_and_drifts_the_other_way_is_another_incident(story: Story) -> None:
    other = {"subject": "error_rate"}
    for step in range(1, 6):
        story.push(step, verdict(), verdict(**other))
    story.push(6, stable(), verdict(**other))
    story.push(7, verdict(effect=-0.08), verdict(**other))
    first, second = story.incidents()
    assert (first.subject, first.last_step) == ("error_rate", 7)
    assert (second.subject, second.onset_step, second.recurs_of) == ("label:late", 7, None)


def test_what_turns_at_once_is_the_same_incident(story: Story) -> None:
    story.push(1, verdict())
    story.push(2, verdict(effect=-0.08))
    assert story.only_incident().last_step == 2
