"""Whether a subject of an open incident got clearly worse by a new jump, and not by creeping on.

A level is how many times its threshold a subject's effect is. While a change is still filling the
rounds under test its level grows, and nothing is said. Then the largest level is settled, without
that of the last round: a jump may take two. What creeps is settled as it goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_ROUNDS = 2  # before a level is settled


@dataclass(frozen=True)
class Level:
    """The largest settled level, None at first, and those that are not settled, the newest last."""

    settled: float | None = None
    newest: Sequence[float] = ()

    def jumps_to(self, ratio: float, times: float) -> bool:
        """Whether the next round's level is a new jump: so many times the settled one."""
        return self.settled is not None and ratio >= times * max(self.settled, 1.0)

    def after(self, ratio: float, rounds: int, *, jumped: bool) -> "Level":
        """With the next round's level; it takes so many rounds until one is settled."""
        if jumped:
            return Level(None, [ratio])
        newest = [*self.newest, ratio]
        if self.settled is None and len(newest) < max(LEAST_ROUNDS, rounds):
            return Level(None, newest)
        return Level(max(self.settled or 0.0, *newest[:-1]), newest[-1:])
