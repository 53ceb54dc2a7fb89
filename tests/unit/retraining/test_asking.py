"""When retraining is asked for, and when not."""

from typing import Any

import pytest
from sqlmodel import Session

from app.audit import service as audit
from app.core.errors import NotFoundError
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.tables import Federation
from app.retraining import repository, service
from app.retraining.errors import RequestOpenError
from tests.unit.retraining.conftest import Watch
from tests.unit.retraining.requests import MODEL, PERSON, ask, claim, trained


def set_policy(session: Session, federation: Federation, **fields: Any) -> None:
    policy = Policy.model_validate({"retraining": fields})
    federations.set_policy(session, federation, policy, PERSON)


def test_a_serious_incident_asks_with_a_plan(session: Session, here: Federation) -> None:
    template = {"learning-rate": 0.05, "local-epochs": 2, "optimizer": "sgd"}
    set_policy(session, here, rounds=5, window_rounds=4, expire_hours=2, hyperparameters=template)
    made = service.consider(session, here, ask(evidence={"since_step": 21}))
    assert made is not None
    plan = dict(made.plan)
    success = plan.pop("success")
    assert plan == {
        "rounds": 5,
        "window_rounds": 4,
        "warm_start": "1",
        "clients": {"which": "all"},
        "hyperparameters": template,
    }
    assert (success["measure"], success["below"], success["confidence"]) == ("log_loss", 0, 0.95)
    assert made.evidence == {"since_step": 21}
    assert (made.state, made.requested_by, made.requested_step) == ("requested", "policy", 23)
    assert (made.expires_at - made.created_at).total_seconds() == 7200


@pytest.mark.parametrize(
    ("policy", "more"),
    [
        ({"automatic": False}, {}),
        ({}, {"severity": "info"}),
        ({}, {"family": "data"}),
        ({"severities": ["critical"]}, {"severity": "warning"}),
        ({"families": ["data"]}, {}),
    ],
)
def test_what_policy_does_not_want_is_not_asked(
    session: Session, here: Federation, policy: dict[str, Any], more: dict[str, Any]
) -> None:
    set_policy(session, here, **policy)
    assert service.consider(session, here, ask(**more)) is None
    assert service.list_of(session, here.id) == []


def test_no_second_request_while_one_is_open(session: Session, here: Federation) -> None:
    first = service.consider(session, here, ask(1))
    assert first is not None
    assert service.consider(session, here, ask(100)) is None
    with pytest.raises(RequestOpenError, match="is open already"):
        service.request(session, here, ask(100), PERSON)
    assert service.list_of(session, here.id) == [first]


def test_two_that_ask_at_once_make_one(
    session: Session, here: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one transaction cannot see of another, the database's unique index does."""
    service.consider(session, here, ask(1))
    monkeypatch.setattr(repository, "is_open", lambda *_: False)
    monkeypatch.setattr(repository, "newest_of", lambda *_: None)
    assert service.consider(session, here, ask(1)) is None
    with pytest.raises(RequestOpenError):
        service.request(session, here, ask(1), PERSON)
    assert len(service.list_of(session, here.id)) == 1


def test_another_model_is_asked_for_meanwhile(session: Session, here: Federation) -> None:
    service.consider(session, here, ask())
    assert service.consider(session, here, ask(model="eta")) is not None


@pytest.mark.parametrize(("step", "asked"), [(30, False), (31, True)])
def test_after_a_request_there_is_a_cooldown(
    session: Session, here: Federation, watch: Watch, step: int, asked: bool
) -> None:
    service.consider(session, here, ask(23))
    claimed = claim(session, here)
    assert claimed is not None
    service.complete(session, here, claimed.id, trained())
    watch.forward(hours=1)
    assert (service.consider(session, here, ask(step)) is not None) == asked


def test_a_person_waits_for_no_cooldown(session: Session, here: Federation, watch: Watch) -> None:
    first = service.consider(session, here, ask(23))
    assert first is not None
    service.cancel(session, here, first.id, PERSON, "wrong data")
    watch.forward(hours=1)
    made = service.request(session, here, ask(24, severity="info", family="by hand"), PERSON)
    assert (made.state, made.requested_by) == ("requested", PERSON)


def test_a_person_asks_for_the_champion(session: Session, here: Federation) -> None:
    wanted = service.by_hand(session, here, MODEL, "new hospitals")
    assert (wanted.base_version, wanted.step, wanted.reason) == ("1", 0, "new hospitals")
    with pytest.raises(NotFoundError):
        service.by_hand(session, here, "eta", "new hospitals")


def test_each_step_is_in_the_audit_log(session: Session, here: Federation) -> None:
    service.consider(session, here, ask())
    claimed = claim(session, here)
    assert claimed is not None
    service.complete(session, here, claimed.id, trained())
    actions = [entry.action for entry in audit.newest(session, here.id)]
    steps = [action for action in actions if action.startswith("retraining.")]
    assert steps == ["retraining.complete", "retraining.claim", "retraining.request"]
    audit.verify(session)
