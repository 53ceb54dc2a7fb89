"""What can be refused of incidents, silences and receivers."""

from collections.abc import Sequence
from uuid import UUID

from app.core.errors import DomainError, ErrorKind


class OthersOpenError(DomainError):
    """A new reference would take more for normal than what was asked for."""

    code = "other_incidents_open"
    kind = ErrorKind.CONFLICT

    def __init__(self, others: Sequence[tuple[UUID, str]]) -> None:
        listed = "; ".join(f"{title} ({incident_id})" for incident_id, title in others[:10])
        super().__init__(
            "The reference is frozen as a whole, so that this would be accepted as well: "
            f"{listed}. Resolve them first, or name their ids in `also`."
        )


class BacktestPendingError(DomainError):
    """Nobody knows yet what a proposed policy would do."""

    code = "backtest_pending"
    kind = ErrorKind.CONFLICT

    def __init__(self, error: str | None) -> None:
        failed = f" It failed: {error}. Look for proposals again." if error else " Try again soon."
        super().__init__(f"The backtest of this proposal is not there yet.{failed}")


class BacktestFailedError(DomainError):
    """A backtest that ended without an answer."""

    code = "backtest_failed"

    def __init__(self, said: str) -> None:
        super().__init__(f"The backtest ended without an answer; the last it said: {said}")


class TrialUnderWayError(DomainError):
    """A federation's policies are tried one at a time."""

    code = "trial_under_way"
    kind = ErrorKind.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "Another backtest of this federation is under way; the policy's page leads to it."
            " Ask again when it is over."
        )


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
