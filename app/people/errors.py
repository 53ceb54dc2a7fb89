"""What can be wrong with an account, a password or a way in."""

from app.core.errors import DomainError, ErrorKind


class WrongCredentialsError(DomainError):
    """Nobody signs in with these; the answer does not say what was wrong with them."""

    code = "wrong_credentials"
    kind = ErrorKind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("This name and password open nothing. Check both, and try again.")


class WrongKeyError(DomainError):
    """Nobody signs in with this key."""

    code = "wrong_key"
    kind = ErrorKind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__(
            "This key opens nothing. Check that it was copied whole, that it has not expired, and"
            " that it was not revoked."
        )


class BlockedError(DomainError):
    """Signing in failed too often."""

    code = "too_many_attempts"
    kind = ErrorKind.TOO_MANY

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many failed attempts. Wait {seconds} seconds, then try again.",
            retry_after=seconds,
        )


class BusyError(DomainError):
    """More people are signing in at this moment than passwords can be checked."""

    code = "busy"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("Many people are signing in. Try again in a moment.", retry_after=5)


class NoRoleError(DomainError):
    """A person who proved who they are and holds no role in any federation."""

    code = "no_role"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, login: str) -> None:
        super().__init__(
            f"You are signed up as {login}, and have no role in any federation yet."
            " Ask an admin for one."
        )


class WeakPasswordError(DomainError):
    """A password that is too short, too long, or among the first to be guessed."""

    code = "weak_password"
    kind = ErrorKind.INVALID


class LinkOverError(DomainError):
    """A link that was used, has expired, was replaced, or never was."""

    code = "link_over"
    kind = ErrorKind.GONE

    def __init__(self) -> None:
        super().__init__(
            "This link was used, was replaced by a newer one, or is too old."
            " Ask an admin for a new one."
        )


class LoginTakenError(DomainError):
    """Somebody has that login already."""

    code = "login_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, login: str) -> None:
        super().__init__(f"There is an account {login} already; choose another login.")


class NoPasswordError(DomainError):
    """The identity provider's people have no password here."""

    code = "no_password"
    kind = ErrorKind.CONFLICT

    def __init__(self, login: str) -> None:
        super().__init__(f"{login} signs in with the identity provider and has no password here.")


class OwnRoleError(DomainError):
    """Nobody gives themselves a role, or takes one from themselves."""

    code = "own_role"
    kind = ErrorKind.CONFLICT

    def __init__(self) -> None:
        super().__init__("Nobody changes their own role or account. Ask another admin.")


class ProviderError(DomainError):
    """The identity provider does not answer, or not as OpenID Connect asks."""

    code = "provider_unavailable"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The identity provider does not answer as it should. Try again later.")


class ProviderRefusedError(DomainError):
    """What came back from the identity provider is no proof of who somebody is."""

    code = "not_signed_in"
    kind = ErrorKind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("Signing in did not work out. Start again from the sign-in page.")
