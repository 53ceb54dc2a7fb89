"""What can be wrong with a federation, a key or a permission."""

from app.core.errors import DomainError, ErrorKind


class UnauthenticatedError(DomainError):
    """No key, or one that opens nothing."""

    code = "unauthenticated"
    kind = ErrorKind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("Send a valid API key: 'Authorization: Bearer vg_...'.")


class ForbiddenError(DomainError):
    """The caller's role does not allow this."""

    code = "forbidden"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, who: str, permission: str) -> None:
        super().__init__(f"The {who} may not {permission.replace('_', ' ')}.")


class NameTakenError(DomainError):
    """There is one of that name already."""

    code = "name_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"There is a {what} named {name} already; choose another name.")


class PolicyChangedError(DomainError):
    """Somebody set another policy since the caller read it."""

    code = "policy_changed"
    kind = ErrorKind.CONFLICT

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"The policy in force is version {current}, not {expected}."
            " Read it, look at what changed, and set yours again."
        )


class PolicyTooLargeError(DomainError):
    """A policy that says more than any federation has to."""

    code = "policy_too_large"
    kind = ErrorKind.TOO_LARGE

    def __init__(self, size: int, most: int) -> None:
        super().__init__(
            f"The policy takes {size} bytes, and {most} are allowed."
            " Say it of kinds of subjects (`feature`) where many share it."
        )
