"""When retraining is asked for, what it may cost, and how it is carried out."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.core.ids import Slug
from app.federations.policy.part import (
    LARGEST,
    MOST,
    MOST_HOURS,
    MOST_ROUNDS,
    PolicyPart,
    Severity,
)

Hour = Annotated[int, Field(ge=0, le=23)]
Amount = Annotated[float, Field(ge=0, le=LARGEST)]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200)]
MOST_HYPERPARAMETERS = 50
MOST_WEIGHT = 1000.0


class SchedulePolicy(PolicyPart):
    """Retraining by calendar, whether anything drifts or not."""

    every_rounds: int | None = Field(
        default=None, ge=1, le=MOST, description="Global steps after which it is asked for again."
    )
    every_days: float | None = Field(
        default=None, gt=0, le=3650, description="Days after which it is asked for again."
    )


class BenefitPolicy(PolicyPart):
    """What retraining is worth, against what it costs."""

    required: bool = Field(default=False, description="Ask only for what is expected to pay.")
    least_probability: float = Field(
        default=0.5, gt=0, lt=1, description="Of paying, from which on it is expected to."
    )
    weeks: float = Field(
        default=4, gt=0, le=520, description="Weeks in which the errors saved are counted."
    )
    errors_per_client_hour: Amount = Field(
        default=10, description="Errors that are worth an hour of one client's computing."
    )
    errors_per_gigabyte: Amount = Field(
        default=10, description="Errors that are worth a gigabyte of traffic."
    )
    errors_per_kilowatt_hour: Amount = Field(
        default=10, description="Errors that are worth a kilowatt-hour at the clients."
    )


class ApprovalPolicy(PolicyPart):
    """The cost above which a person has to say yes; what is not known counts as above."""

    client_hours: Amount | None = Field(default=None, description="Hours of clients' computing.")
    gigabytes: Amount | None = Field(default=None, description="Traffic up and down.")
    kilowatt_hours: Amount | None = Field(default=None, description="Energy at the clients.")


class BudgetPolicy(PolicyPart):
    """What may be asked for in seven days without a person."""

    requests: int | None = Field(default=None, ge=0, le=MOST, description="Requests for a model.")
    client_hours: Amount | None = Field(
        default=None, description="Expected hours of clients' computing for a model."
    )


class RetrainingPolicy(PolicyPart):
    """When retraining is asked for, and how it is carried out."""

    automatic: bool = Field(default=True, description="Ask without a person.")
    severities: tuple[Severity, ...] = Field(
        default=("warning", "critical"), description="Severities that ask for retraining."
    )
    families: tuple[Literal["concept", "data"], ...] = Field(
        default=("concept",), description="Families of drift that retraining can mend."
    )
    cooldown_rounds: int = Field(
        default=8, ge=0, le=MOST, description="Global steps between two requests for a model."
    )
    quiet_hours: tuple[Hour, Hour] | None = Field(
        default=None,
        description="Hours of the day (UTC) from which and until which nothing is asked for"
        " without a person: [22, 6].",
    )
    roll_back_first: bool = Field(
        default=True,
        description="Where an earlier version fits the newest rounds, propose that instead.",
    )
    schedule: SchedulePolicy = SchedulePolicy()
    benefit: BenefitPolicy = BenefitPolicy()
    approval: ApprovalPolicy = ApprovalPolicy()
    budget: BudgetPolicy = BudgetPolicy()
    expire_hours: float = Field(
        default=72, gt=0, le=MOST_HOURS, description="Hours until an unclaimed request expires."
    )
    rounds: int = Field(
        default=20, ge=1, le=MOST_ROUNDS, description="FL rounds that a request asks for."
    )
    window_rounds: int = Field(
        default=8,
        ge=1,
        le=MOST_ROUNDS,
        description="Newest rounds of data that retraining should use.",
    )
    clients: Literal["all", "drifted", "weighted"] = Field(
        default="all",
        description="Who trains after a cohort drifted, or a cluster of clients that moved alike:"
        " `all`, the `drifted` ones alone, or all with those `weighted`.",
    )
    drifted_weight: Annotated[float, Field(ge=1, le=MOST_WEIGHT)] | Literal["by_share"] = Field(
        default=3.0,
        description="Weight of the drifted ones where `weighted`: a number, or `by_share`, as many"
        " times as their share of the drift is their share of the examples.",
    )
    hyperparameters: Mapping[Slug, bool | int | float | Words] = Field(
        default_factory=dict,
        max_length=MOST_HYPERPARAMETERS,
        description="What the FL server should train with, by names that it knows.",
    )
    outcome_rounds: int = Field(
        default=8,
        ge=1,
        le=MOST_ROUNDS,
        description="Rounds that measured both versions, after which a retraining that shows no"
        " gain did not help.",
    )
