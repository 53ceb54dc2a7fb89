"""Reports: what each period of the calendar makes one of, and how long files are kept."""

from pydantic import Field

from app.federations.policy.part import MOST, MOST_ROUNDS, PolicyPart


class ReportPolicy(PolicyPart):
    """When a model's champion gets a report without anybody asking, and when its files go."""

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
    keep_days: int | None = Field(
        default=90,
        ge=1,
        le=MOST,
        description="Days after which a report's files are deleted; who asks has it built again.",
    )
