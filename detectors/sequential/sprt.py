"""SPRT: the fewest values that decide between two hypotheses, over and over."""

import math
from enum import IntEnum, StrEnum

from detectors.arrays import finite, fraction
from detectors.errors import BadParameterError
from detectors.sequential.inputs import binary, positive
from detectors.sequential.page_hinkley import Direction


class Family(StrEnum):
    """What the values are."""

    GAUSSIAN = "gaussian"
    BERNOULLI = "bernoulli"


class Decision(IntEnum):
    """What the last value decided."""

    NONE = 0
    ACCEPT = 1
    REJECT = 2


class Sprt:
    """Wald's sequential probability ratio test of a mean, `null` against `alternative`.

    Values are normal with the known spread `sd` ("gaussian"), or 0 and 1 with these probabilities
    ("bernoulli", where `sd` is not used). The log-likelihood ratio grows until it reaches
    log((1 - beta) / alpha), which rejects the null: a drift; or log(beta / (1 - alpha)), which
    accepts it. Either ends the test, and the next value begins another, so a stable stream
    alarms falsely in at most alpha / (1 - beta) of the tests it accepts or rejects, not of its
    lifetime. `decision` tells what the last value decided. There is no warning zone. Raises
    BadParameterError, and on update NotFiniteError, OutOfRangeError, NotBinaryError.

    Wald (1945), Ann. Math. Statist. 16, 117-186.

    >>> test = Sprt(null=0.1, alternative=0.3, family="bernoulli")
    >>> for wrong in [1, 0, 1, 1, 1, 1]:
    ...     test.update(wrong)
    >>> test.decision.name
    'REJECT'
    """

    warning_detected = False
    log_ratio: float
    decision: Decision

    def __init__(
        self,
        *,
        null: float = 0.0,
        alternative: float = 1.0,
        sd: float = 1.0,
        alpha: float = 0.01,
        beta: float = 0.01,
        family: str = Family.GAUSSIAN.value,
    ) -> None:
        fraction(alpha, "alpha")
        if not 0 < beta < 1 - alpha:
            raise BadParameterError("beta", beta, f"above 0, below {1 - alpha:g}")
        if null == alternative or not math.isfinite(null) or not math.isfinite(alternative):
            raise BadParameterError("alternative", alternative, "finite, and not the null's mean")
        self.family = _family(family)
        self.rejects_at = math.log((1 - beta) / alpha)
        self.accepts_at = math.log(beta / (1 - alpha))
        self.slope, self.intercept = _line(self.family, null, alternative, sd)
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept)):
            raise BadParameterError("alternative", alternative, "a finite number of sd from null")
        self.reset()

    @property
    def drift_detected(self) -> bool:
        """Whether the last value rejected the null."""
        return self.decision is Decision.REJECT

    @property
    def direction(self) -> Direction | None:
        """Which way the mean went at the drift that the last value completed, if it did."""
        if not self.drift_detected:
            return None
        return Direction.UP if self.slope > 0 else Direction.DOWN

    def update(self, value: float) -> None:
        """Take the next value; NotFiniteError for a NaN or an infinity."""
        check = binary if self.family is Family.BERNOULLI else finite
        checked = float(check(value, "value"))
        if self.decision is not Decision.NONE:
            self.reset()
        self.log_ratio += self.slope * checked + self.intercept
        if self.log_ratio >= self.rejects_at:
            self.decision = Decision.REJECT
        elif self.log_ratio <= self.accepts_at:
            self.decision = Decision.ACCEPT

    def reset(self) -> None:
        """Forget everything seen."""
        self.log_ratio = 0.0
        self.decision = Decision.NONE


def _family(name: str) -> Family:
    try:
        return Family(name)
    except ValueError:
        known = " or ".join(repr(family.value) for family in Family)
        raise BadParameterError("family", name, known) from None


def _line(family: Family, null: float, alternative: float, sd: float) -> tuple[float, float]:
    """Return the log-likelihood ratio of one value as slope and intercept in the value."""
    if family is Family.GAUSSIAN:
        slope = (alternative - null) / positive(sd, "sd") / sd
        return slope, -slope * (null + alternative) / 2
    fraction(null, "null")
    fraction(alternative, "alternative")
    wrong, right = math.log(alternative / null), math.log((1 - alternative) / (1 - null))
    return wrong - right, right
