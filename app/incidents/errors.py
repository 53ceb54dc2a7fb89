"""What can be refused of incidents, silences and receivers."""

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


class UnknownChannelError(DomainError):
    """A name that the federation has no channel under."""

    code = "unknown_channel"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no channel {name}. Add it first; a webhook is named webhook:<its name>."
        )


class InvalidWebhookError(DomainError):
    """An address that events cannot or may not go to."""

    code = "invalid_webhook"

    def __init__(self, rule: str) -> None:
        super().__init__(
            f"Of a webhook's address: {rule}. An example is https://example.org/hooks/vigie."
        )


class WebhookNameTakenError(DomainError):
    """The federation has a webhook of that name."""

    code = "name_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a webhook named {name} already; choose another name.")


class TooManyWebhooksError(DomainError):
    """A federation has as many webhooks as it may."""

    code = "too_many_webhooks"
    kind = ErrorKind.CONFLICT

    def __init__(self, most: int) -> None:
        super().__init__(f"A federation has at most {most} webhooks; remove one first.")


class WebhookDisabledError(DomainError):
    """A webhook that gets nothing now."""

    code = "webhook_disabled"
    kind = ErrorKind.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(f"The webhook {name} is disabled; enable it first.")


class ReplayFailedError(DomainError):
    """A step of the history that could not be played once more."""

    code = "replay_failed"

    def __init__(self, task: str) -> None:
        super().__init__(f"The replay stopped at {task}; the log says why.")
