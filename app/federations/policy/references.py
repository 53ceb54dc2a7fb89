"""What rounds are compared with."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from app.federations.policy.part import MOST_ROUNDS, PolicyPart


@dataclass(frozen=True)
class ReferenceWindow:
    """A reference that moves along: rounds so many before the newest, which is 0 before itself."""

    oldest: int
    newest: int


class ReferencePolicy(PolicyPart):
    """How a baseline is made."""

    kind: Literal["fixed", "trailing", "seasonal"] = Field(
        default="fixed",
        description="`fixed`: frozen rounds of the version; `trailing`: the rounds some way before"
        " the newest; `seasonal`: the rounds around the one a season ago.",
    )
    rounds: int = Field(
        default=8, ge=5, le=1000, description="A version's reference freezes with this many rounds."
    )
    most_rounds: int = Field(
        default=12, ge=5, le=1000, description="Newest rounds that freezing anew takes at most."
    )
    trailing_rounds: int = Field(
        default=12, ge=5, le=1000, description="Rounds of a trailing reference."
    )
    trailing_gap: int | None = Field(
        default=None,
        ge=1,
        le=MOST_ROUNDS,
        description="Newest rounds that a trailing reference leaves out, never fewer than those"
        " under test. Default: `drift.latest_rounds`.",
    )
    season_rounds: int | None = Field(
        default=None,
        ge=2,
        le=MOST_ROUNDS,
        description="Rounds of a season, for a seasonal reference: 7 for days in a week.",
    )

    def window(self, latest_rounds: int) -> ReferenceWindow | None:
        """Which rounds a reference that moves along takes; None for a fixed one.

        A seasonal one takes `rounds` rounds around the one that is `season_rounds` before.
        """
        if self.kind == "trailing":
            gap = latest_rounds if self.trailing_gap is None else self.trailing_gap
            return ReferenceWindow(gap + self.trailing_rounds - 1, gap)
        if self.kind == "seasonal" and self.season_rounds is not None:
            oldest = self.season_rounds + self.rounds // 2
            return ReferenceWindow(oldest, oldest - self.rounds + 1)
        return None
