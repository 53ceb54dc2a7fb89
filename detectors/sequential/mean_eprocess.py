"""A mean shift, found with a bound on the chance of ever alarming falsely."""

import math

from detectors.arrays import finite, fraction
from detectors.errors import BadParameterError
from detectors.sequential.inputs import at_least
from detectors.sequential.page_hinkley import Direction

BETS = (0.25, 0.5, 1.0, 2.0)  # shifts, in standard deviations, that evidence is gathered for
LARGEST_SCORE = 3.5  # so that one outlier is no shift
LEAST_KNOWN = 2  # values that have a spread
RELATIVE_FLOOR = 1e-9  # as in Standardiser: no spread is told apart from rounding below it


class MeanEProcess:
    """An e-process against "the mean has never moved", on one stream; a drift at 1 / `alpha`.

    Where all values, the reference's with them, are independent and normal with one mean and one
    spread, whatever they are, the chance of ever alarming is at most `alpha`: no number of values
    and no looking in between adds to it. Each value is compared with the mean m and the standard
    deviation s of the N values before it, which it then joins, so that nothing has to be known:

        r = (x - m) / (s sqrt(1 + 1/N)), Student's t with v = N - 1 df, independent of the past;
        u = sign(r) sqrt((v - 1/2) log(1 + r^2 / v)), never further from 0 than r's normal score.

    and u no further from 0 than 3.5. So exp(b u - b^2 / 2) has a mean of at most 1, for any bet b.
    Bets on a shift of 1/4, 1/2, 1 and 2 standard deviations either way are begun at every value t,
    with weights that add to 1 and fall like 1 / (t log^2 t): `e_value` is what one unit of money
    has become.

    The bound on u is what heavy tails are held by: over 1,000 values at an `alpha` of 5%, 3%
    of normal streams alarm, 3% of Student's t with 3 degrees of freedom, 5% of lognormal ones with
    a log-spread of 1/2. Autocorrelation is not held: 30% of AR(1) streams with a rho of 0.3 alarm,
    so pre-whiten first.

    `reference_size` says that values are standardised by the mean and the standard deviation
    (divisor n - 1) of so many reference values, whose uncertainty is thereby carried; 0 that
    there is no reference, and the values may be in any unit. A mean that moves slowly is learned
    and not found. Spread below 1e-9 of max(1, |m|) counts as that. There is no warning zone.
    Raises BadParameterError, and on update NotFiniteError and OutOfRangeError.

    Wallace (1959), Ann. Math. Statist. 30, 1121-1130 (the bound on u); Hawkins (1987), The
    Statistician 36, 299-315 (learning the mean as one goes); Shin, Ramdas & Rinaldo (2024), New
    England J. Statist. Data Sci. 2, 229-260 (bets begun at every value); Ville (1939).
    """

    warning_detected = False

    def __init__(self, *, alpha: float = 0.01, reference_size: int = 0) -> None:
        self.limit = 1 / fraction(alpha, "alpha")
        self.reference_size = at_least(reference_size, 0, "reference_size")
        if reference_size == 1:
            raise BadParameterError("reference_size", reference_size, "0, or 2 and more")
        self.reset()

    @property
    def e_value(self) -> float:
        """The evidence against no shift so far; its inverse is an anytime-valid p-value."""
        unused = 1 / (1 + math.log1p(self.count))
        return unused + (sum(self.up) + sum(self.down)) / (2 * len(BETS))

    @property
    def direction(self) -> Direction | None:
        """Which way the mean went at the drift that the last value completed, if it did."""
        if not self.drift_detected:
            return None
        return Direction.UP if sum(self.up) >= sum(self.down) else Direction.DOWN

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""
        return self.e_value >= self.limit

    def update(self, value: float) -> None:
        """Take the next value; NotFiniteError for a NaN or an infinity."""
        checked = float(finite(value, "value"))
        if self.drift_detected:
            self.reset()
        if self.known >= LEAST_KNOWN:
            self._bet(self._score(checked))
        self._learn(checked)

    def reset(self) -> None:
        """Forget everything seen but the reference."""
        self.count, self.known = 0, self.reference_size
        self.mean, self.squares = 0.0, max(0.0, self.reference_size - 1.0)
        self.up, self.down = [0.0] * len(BETS), [0.0] * len(BETS)

    def _score(self, value: float) -> float:
        """Return u; nearer to 0 than it might be, where bets can only win less on average."""
        freedom = self.known - 1.0
        floor = RELATIVE_FLOOR * max(1.0, abs(self.mean))
        variance = max(self.squares / freedom, floor * floor)
        apart = value - self.mean
        ratio = apart * apart / (variance * (1.0 + 1.0 / self.known))
        score = math.sqrt((freedom - 0.5) * math.log1p(ratio / freedom))
        return math.copysign(min(score, LARGEST_SCORE), apart)

    def _bet(self, score: float) -> None:
        """Begin bets with this value's share of the money, and settle all of them on its score."""
        before = 1.0 + math.log1p(self.count)
        self.count += 1
        share = math.log1p(1.0 / self.count) / (before * (1.0 + math.log1p(self.count)))
        for place, bet in enumerate(BETS):
            self.up[place] = (self.up[place] + share) * math.exp(bet * score - bet * bet / 2)
            self.down[place] = (self.down[place] + share) * math.exp(-bet * score - bet * bet / 2)

    def _learn(self, value: float) -> None:
        """Take the value into mean and sum of squares (Welford)."""
        self.known += 1
        apart = value - self.mean
        self.mean += apart / self.known
        self.squares += apart * (value - self.mean)
