"""How long to wait before a request is sent again."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from vigie_client.errors import VigieError, VigieUnreachable

# Beyond this, a Retry-After is taken for a mistake: a spool should not lie still for days.
LONGEST_RETRY_AFTER = 900.0
_MOST_DOUBLINGS = 32


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with full jitter, in seconds (M. Brooker, AWS Architecture Blog, 2015).

    After the n-th failure in a row the wait is uniform on ``[0, min(most, first * 2**(n-1))]``. A
    Retry-After comes on top, so that nothing is sent before the time that the service asked for.
    ``uniform`` draws from [0, 1); left alone it is unseeded, since its purpose is that servers
    which failed together do not come back together.
    """

    first: float = 0.5
    most: float = 60.0
    uniform: Callable[[], float] = field(default=random.random, repr=False)

    def delay(self, failures: int, error: VigieError | VigieUnreachable) -> float:
        """Return the seconds to wait after ``failures`` (at least 1), the last being ``error``."""
        ceiling = min(self.most, self.first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
        asked = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
        return asked + self.uniform() * ceiling
