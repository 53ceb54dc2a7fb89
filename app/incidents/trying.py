"""A policy tried by somebody who waits for the answer: one at a time, and not for long."""

from subprocess import TimeoutExpired
from threading import Lock
from typing import Any

from app.federations.policy import Policy
from app.incidents.errors import BacktestFailedError
from app.incidents.proposals import Trial, perform

SECONDS = 60.0
_ONE = Lock()


def backtest(federation: str, policy: Policy) -> tuple[dict[str, Any] | None, str]:
    """The incidents that a policy would have opened or spared; or None, and why."""
    if not _ONE.acquire(blocking=False):
        return None, "Another backtest is under way; try again in a minute."
    try:
        return perform(Trial(federation, policy), SECONDS), ""
    except TimeoutExpired:
        return None, (
            f"The stored rounds take longer than {SECONDS:.0f} seconds to play."
            " Run `vigie backtest` on the machine itself."
        )
    except BacktestFailedError as error:
        return None, error.message
    finally:
        _ONE.release()
