"""What can be refused of incidents, silences and channels."""

from app.core.errors import DomainError, ErrorKind


class InvalidChannelError(DomainError):
    """An address that notices cannot go to."""

    code = "invalid_channel"

    def __init__(self) -> None:
        super().__init__(
            "This is no Apprise address, such as mailto://user:password@example.org or"
            " slack://token. See the list at https://github.com/caronc/apprise/wiki."
        )


class ChannelNameTakenError(DomainError):
    """The federation has a channel of that name."""

    code = "name_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a channel named {name} already; choose another name.")
