"""Who may train: claims, leases, and what became of the training."""

import pytest
from sqlmodel import Session

from app.core.errors import IllegalTransitionError
from app.federations.tables import Federation
from app.registry import service as registry
from app.retraining import service
from app.retraining.errors import LeaseLostError
from app.retraining.tables import RetrainRequest
from tests.unit.retraining.conftest import Watch
from tests.unit.retraining.requests import (
    LEASE,
    MODEL,
    OTHER,
    PERSON,
    SERVER,
    ask,
    claim,
    going,
    state,
    trained,
)


@pytest.fixture
def claimed(session: Session, here: Federation) -> RetrainRequest:
    """A request in `SERVER`'s hands."""
    service.consider(session, here, ask())
    found = claim(session, here)
    assert found is not None
    return found


def test_there_is_nothing_to_claim(session: Session, here: Federation) -> None:
    assert claim(session, here) is None
    service.consider(session, here, ask(model="eta"))
    assert claim(session, here) is None


def test_one_claims_and_the_next_finds_nothing(
    session: Session, here: Federation, claimed: RetrainRequest, watch: Watch
) -> None:
    assert (claimed.state, claimed.claimed_by) == ("claimed", SERVER)
    assert claimed.lease_until is not None
    assert (claimed.lease_until - watch.at).total_seconds() == LEASE
    assert claim(session, here, OTHER) is None


def test_a_claim_whose_answer_was_lost_is_repeated(
    session: Session, here: Federation, claimed: RetrainRequest, watch: Watch
) -> None:
    watch.forward(seconds=LEASE - 1)
    assert claim(session, here) is claimed
    watch.forward(seconds=LEASE - 1)
    assert service.release_expired(session) == 0


def test_progress_renews_the_lease(
    session: Session, here: Federation, claimed: RetrainRequest, watch: Watch
) -> None:
    for done in range(5):
        watch.forward(seconds=LEASE - 1)
        service.progress(session, here, claimed.id, going(done))
        assert service.release_expired(session) == 0
    assert claimed.state == "running"
    assert claimed.progress is not None
    assert claimed.progress["completed_rounds"] == 4


def test_a_lease_that_ran_out_gives_the_request_back(
    session: Session, here: Federation, claimed: RetrainRequest, watch: Watch
) -> None:
    service.progress(session, here, claimed.id, going())
    watch.forward(seconds=LEASE)
    assert service.release_expired(session) == 1
    assert (claimed.state, claimed.claimed_by, claimed.lease_until) == ("requested", None, None)
    again = claim(session, here, OTHER)
    assert again is claimed
    with pytest.raises(LeaseLostError, match="fl-1 does not hold this request"):
        service.progress(session, here, claimed.id, going())
    with pytest.raises(LeaseLostError):
        service.complete(session, here, claimed.id, trained())
    with pytest.raises(LeaseLostError):
        service.fail(session, here, claimed.id, SERVER, "disk full")
    assert len(registry.versions_of(session, here.id, MODEL)) == 1
    service.complete(session, here, claimed.id, trained(OTHER))
    assert claimed.result_version == "2"


def test_what_nobody_claims_expires(session: Session, here: Federation, watch: Watch) -> None:
    made = service.consider(session, here, ask())
    assert made is not None
    watch.forward(hours=72, seconds=-1)
    assert service.release_expired(session) == 0
    watch.forward(seconds=1)
    assert service.release_expired(session) == 1
    assert (made.state, made.ended_at) == ("expired", watch.at)
    assert claim(session, here) is None


def test_a_claimed_request_does_not_expire(
    session: Session, here: Federation, claimed: RetrainRequest, watch: Watch
) -> None:
    watch.forward(hours=71, minutes=59, seconds=30)
    service.progress(session, here, claimed.id, going())
    watch.forward(seconds=45)
    assert service.release_expired(session) == 0
    assert claimed.state == "running"


def test_completing_registers_a_candidate_with_its_lineage(
    session: Session, here: Federation, claimed: RetrainRequest
) -> None:
    done = service.complete(session, here, claimed.id, trained())
    assert (done.state, done.result_version) == ("completed", "2")
    version = registry.version_named(session, here.id, MODEL, "2")
    assert (version.parent_version, version.retrain_request_id) == ("1", claimed.id)
    model = registry.model_named(session, here.id, MODEL)
    assert (model.champion, model.canary) == ("1", "2")


def test_completing_twice_is_harmless(
    session: Session, here: Federation, claimed: RetrainRequest
) -> None:
    first = service.complete(session, here, claimed.id, trained()).model_copy()
    again = service.complete(session, here, claimed.id, trained())
    assert (again.state, again.result_version) == (first.state, first.result_version)
    assert again.ended_at == first.ended_at
    assert len(registry.versions_of(session, here.id, MODEL)) == 2


def test_completing_again_is_for_the_same_server_and_weights(
    session: Session, here: Federation, claimed: RetrainRequest
) -> None:
    service.complete(session, here, claimed.id, trained())
    for other in (trained(OTHER), trained(weights="3")):
        with pytest.raises(LeaseLostError):
            service.complete(session, here, claimed.id, other)
    assert len(registry.versions_of(session, here.id, MODEL)) == 2


def test_a_failure_keeps_its_reason(
    session: Session, here: Federation, claimed: RetrainRequest
) -> None:
    failed = service.fail(session, here, claimed.id, SERVER, "disk full")
    assert (failed.state, failed.failure) == ("failed", "disk full")
    assert failed.ended_at is not None


def test_the_holder_of_a_cancelled_request_is_told(
    session: Session, here: Federation, claimed: RetrainRequest
) -> None:
    service.cancel(session, here, claimed.id, PERSON, "the data was wrong")
    with pytest.raises(LeaseLostError, match="cancelled"):
        service.progress(session, here, claimed.id, going())
    with pytest.raises(IllegalTransitionError, match="is cancelled: it cannot become cancelled"):
        service.cancel(session, here, claimed.id, PERSON, "again")
    assert state(session, here, claimed.id) == "cancelled"
