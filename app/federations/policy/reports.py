"""Reports by calendar: what each period makes one of."""

from pydantic import Field

from app.federations.policy.part import MOST_ROUNDS, PolicyPart


class ReportPolicy(PolicyPart):
    """When a model's champion gets a report without anybody asking."""

    every_rounds: int | None = Field(
        default=None,
        ge=1,
        le=MOST_ROUNDS,
        description="Global steps of a period; its report is made once a later step was judged.",
    )
    every_days: int | None = Field(
        default=None,
        ge=1,
        le=366,
        description="Days of a period (UTC); its report is made once it is over.",
    )
