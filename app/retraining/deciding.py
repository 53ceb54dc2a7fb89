"""Whether retraining is asked for without a person: every reason not to, in the order of asking."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.federations.policy import RetrainingPolicy
from app.federations.tables import Federation
from app.retraining import repository
from app.retraining.tables import RetrainRequest
from app.retraining.worth import HOUR, Cost, Worth, cost_in_words

DAYS_OF_BUDGET = 7
BY_INCIDENT, BY_SCHEDULE, BY_PERSON = "incident", "schedule", "person"


class Answer(StrEnum):
    """What was decided on an occasion to retrain."""

    ASKED = "asked"
    AWAITS_APPROVAL = "awaits_approval"
    ROLL_BACK_PROPOSED = "roll_back_proposed"
    NOT_AUTOMATIC = "not_automatic"
    SEVERITY = "severity"
    FAMILY = "family"
    REQUEST_OPEN = "request_open"
    DID_NOT_HELP = "did_not_help"
    COOLDOWN = "cooldown"
    BUDGET = "budget"
    QUIET_HOURS = "quiet_hours"
    DOES_NOT_PAY = "does_not_pay"


@dataclass(frozen=True)
class RetrainAsk:
    """Why retraining is asked for: the version that drifted, how badly, where, in which round.

    `occasion` is an incident, the policy's schedule, or a person. `scope_key` is a cohort
    (`hub=EWR`) where `scope` is one; `subject` is what drifted there, if anything did.
    """

    model: str
    base_version: str
    severity: str
    family: str
    step: int
    reason: str
    incident_id: UUID | None = None
    scope: str = "federation"
    scope_key: str = ""
    subject: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    occasion: str = BY_INCIDENT


@dataclass(frozen=True)
class Refusal:
    """Why nothing is asked."""

    answer: Answer
    why: str


@dataclass(frozen=True)
class Situation:
    """What a decision rests on, before any sum is made."""

    session: Session
    federation: Federation
    policy: RetrainingPolicy
    ask: RetrainAsk


def refusal(situation: Situation) -> Refusal | None:
    """The first reason not to ask; None if there is none but perhaps the sum."""
    return next((found for check in _CHECKS if (found := check(situation)) is not None), None)


def refusal_by_worth(
    policy: RetrainingPolicy, worth: Worth | None, requests: list[RetrainRequest]
) -> Refusal | None:
    """Why the sum speaks against it; without a sum, only a rule that needs one does."""
    if policy.benefit.required and (
        worth is None or worth.probability < policy.benefit.least_probability
    ):
        told = "the version's error is not known" if worth is None else _price(worth)
        return Refusal(Answer.DOES_NOT_PAY, f"It is not expected to pay: {told}.")
    most = policy.budget.client_hours
    spent = sum(_client_hours(request) for request in requests)
    planned = (worth.cost.client_hours or 0.0) if worth else 0.0
    if most is not None and spent + planned > most:
        why = (
            f"{spent:.2g} of the week's {most:g} client-hours are spent, and it needs {planned:.2g}"
        )
        return Refusal(Answer.BUDGET, f"{why}.")
    return None


def needs_yes(policy: RetrainingPolicy, cost: Cost) -> str | None:
    """Why a person has to say yes first; None if nobody has to."""
    limits = policy.approval
    above = [
        f"{most:g} {unit}"
        for most, value, unit in (
            (limits.client_hours, cost.client_hours, "client-hours"),
            (limits.gigabytes, _over(cost.bytes, 1e9), "GB"),
            (limits.kilowatt_hours, _over(cost.watt_hours, 1e3), "kWh"),
        )
        if most is not None and (value is None or value > most)
    ]
    if not above:
        return None
    return f"It costs {cost_in_words(cost)}; above {' or '.join(above)} a person has to say yes."


def of_this_week(session: Session, federation: Federation, model: str) -> list[RetrainRequest]:
    """The model's requests of the last seven days that no person made."""
    since = clock.now() - timedelta(days=DAYS_OF_BUDGET)
    return repository.automatic_since(session, federation.id, model, since)


def _not_automatic(given: Situation) -> Refusal | None:
    if given.policy.automatic:
        return None
    return Refusal(Answer.NOT_AUTOMATIC, "By the policy only people ask for retraining.")


def _not_serious(given: Situation) -> Refusal | None:
    if given.ask.occasion != BY_INCIDENT or given.ask.severity in given.policy.severities:
        return None
    wanted = " or ".join(given.policy.severities)
    return Refusal(Answer.SEVERITY, f"It is of severity {given.ask.severity}, not {wanted}.")


def _not_mendable(given: Situation) -> Refusal | None:
    if given.ask.occasion != BY_INCIDENT or given.ask.family in given.policy.families:
        return None
    wanted = " or ".join(given.policy.families)
    return Refusal(Answer.FAMILY, f"It is drift of {given.ask.family}, not of {wanted}.")


def _is_open(given: Situation) -> Refusal | None:
    if not repository.is_open(given.session, given.federation.id, given.ask.model):
        return None
    return Refusal(Answer.REQUEST_OPEN, "A request for this model is open already.")


def _did_not_help(given: Situation) -> Refusal | None:
    last = repository.newest_outcome(given.session, given.federation.id, given.ask.model)
    if last is None or last.answer != "did_not_help" or last.allowed_at is not None:
        return None
    why = f"Retraining did not help the last time (version {last.result_version})"
    return Refusal(Answer.DID_NOT_HELP, f"{why}; a person has to allow another try.")


def _too_soon(given: Situation) -> Refusal | None:
    newest = repository.newest_of(given.session, given.federation.id, given.ask.model)
    rounds = given.policy.cooldown_rounds
    if newest is None or given.ask.step - newest.requested_step >= rounds:
        return None
    free = newest.requested_step + rounds
    return Refusal(Answer.COOLDOWN, f"The last request was at step {newest.requested_step};"
                   f" the next may be at step {free}.")  # fmt: skip


def _over_budget(given: Situation) -> Refusal | None:
    most = given.policy.budget.requests
    if most is None:
        return None
    asked = len(of_this_week(given.session, given.federation, given.ask.model))
    if asked < most:
        return None
    return Refusal(Answer.BUDGET, f"{asked} of the week's {most} requests are made.")


def _quiet(given: Situation) -> Refusal | None:
    hours = given.policy.quiet_hours
    if hours is None or clock.now().hour not in _hours(*hours):
        return None
    return Refusal(
        Answer.QUIET_HOURS,
        f"Nothing is asked for from {hours[0]}:00 to {hours[1]}:00 UTC; it is looked at then.",
    )


def _hours(first: int, end: int) -> Iterator[int]:
    """The hours of the day from one until before another, past midnight if need be."""
    return (hour % 24 for hour in range(first, end if end > first else end + 24))


def _price(worth: Worth) -> str:
    return (
        f"{worth.saved_a_week * worth.weeks:.2g} saved in {worth.weeks:g} weeks against a cost"
        f" worth {worth.cost_in_errors:.2g}, probability {worth.probability:.2f}"
    )


def _client_hours(request: RetrainRequest) -> float:
    cost = (request.benefit or {}).get("cost") or {}
    return float(cost.get("client_seconds") or 0.0) / HOUR


def _over(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


Check = Callable[[Situation], Refusal | None]
_CHECKS: tuple[Check, ...] = (
    _not_automatic,
    _not_serious,
    _not_mendable,
    _is_open,
    _did_not_help,
    _too_soon,
    _over_budget,
    _quiet,
)
