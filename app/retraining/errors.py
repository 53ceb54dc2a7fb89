"""What a retrain request can be refused for."""

from app.core.errors import DomainError, ErrorKind


class RequestOpenError(DomainError):
    """There is an open request for the model already."""

    code = "retrain_request_open"
    kind = ErrorKind.CONFLICT

    def __init__(self, model: str) -> None:
        super().__init__(
            f"A retrain request for {model} is open already. Wait until it has ended, or cancel it."
        )


class LeaseLostError(DomainError):
    """The caller does not hold the request (any more)."""

    code = "lease_lost"
    kind = ErrorKind.CONFLICT

    def __init__(self, claimer: str, state: str) -> None:
        super().__init__(
            f"{claimer} does not hold this request, which is {state}. Stop training; claim again."
        )


class NotProposedError(DomainError):
    """Nobody's yes is waited for."""

    code = "retrain_request_not_proposed"
    kind = ErrorKind.CONFLICT

    def __init__(self, state: str) -> None:
        super().__init__(f"This request is {state}: only a proposed one waits for a person's yes.")


class NoRollbackProposedError(DomainError):
    """The request proposes no rollback that could be taken."""

    code = "no_rollback_proposed"
    kind = ErrorKind.CONFLICT

    def __init__(self, state: str) -> None:
        super().__init__(
            f"This request is {state} and proposes no rollback. Draft a promotion of the version."
        )
