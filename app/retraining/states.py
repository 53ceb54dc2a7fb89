"""The life of a retrain request, as a table."""

from app.core import clock
from app.core.states import advance
from app.retraining.schemas import RequestState
from app.retraining.tables import RetrainRequest

S = RequestState
NEXT: dict[RequestState, frozenset[RequestState]] = {
    S.PROPOSED: frozenset({S.REQUESTED, S.EXPIRED, S.CANCELLED}),
    S.REQUESTED: frozenset({S.CLAIMED, S.EXPIRED, S.CANCELLED}),
    S.CLAIMED: frozenset({S.RUNNING, S.COMPLETED, S.FAILED, S.REQUESTED, S.CANCELLED}),
    S.RUNNING: frozenset({S.RUNNING, S.COMPLETED, S.FAILED, S.REQUESTED, S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
}
HELD = frozenset({S.CLAIMED, S.RUNNING})


def move(request: RetrainRequest, target: RequestState) -> None:
    """Take a request to another state.

    Raises:
        IllegalTransitionError: if the table has no such step.
    """
    request.state = advance("retrain request", NEXT, RequestState(request.state), target)


def end(request: RetrainRequest, target: RequestState) -> None:
    """Take a request to a state that is the last; nobody needs to know then who was to train."""
    move(request, target)
    request.lease_until, request.ended_at, request.trainees = None, clock.now(), None
