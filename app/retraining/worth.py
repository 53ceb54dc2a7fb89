"""What retraining is worth: the error that it is expected to save, and what it costs.

Retraining takes away a share of the excess error, which is what a version errs more now than in its
reference. Before any retraining of the model was seen the share is taken for half, give or take
0.3: most that are trained well end between nothing and all of it. Each retraining whose gain was
measured on the same examples as the old version (the shadow comparison) moves that estimate, by
Bayes' rule for normal means with a known spread between retrainings (Gelman et al., Bayesian Data
Analysis, 2013, section 2.5).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

from app.federations.policy.retraining import BenefitPolicy
from app.retraining.measuring import ERROR_RATE, ErrorLevel

PRIOR_SHARE, PRIOR_SD = 0.5, 0.25  # of the mean share of a model's retrainings
BETWEEN_SD = 0.15  # how much the shares of two retrainings differ by themselves
LIKELY = NormalDist().inv_cdf(0.95)  # a 90% interval
HOUR, GIGABYTE, KILO = 3600.0, 1e9, 1e3


@dataclass(frozen=True)
class Gain:
    """What one past retraining took away of the excess error, as a share of it."""

    share: float
    sd: float


@dataclass(frozen=True)
class Share:
    """The share that the next one is expected to take away; `seen` retrainings speak for it."""

    mean: float
    sd: float
    seen: int


@dataclass(frozen=True)
class Cost:
    """What a request's rounds cost all clients together, by what past fit rounds reported.

    None is what none of them told. `measured_rounds` is how many did.
    """

    client_seconds: float | None
    bytes: float | None
    watt_hours: float | None
    measured_rounds: int

    @property
    def client_hours(self) -> float | None:
        """`client_seconds` in hours."""
        return None if self.client_seconds is None else self.client_seconds / HOUR

    def in_errors(self, policy: BenefitPolicy) -> float:
        """How many errors it is worth, by the policy's prices; what is not known is free."""
        return (
            policy.errors_per_client_hour * (self.client_seconds or 0) / HOUR
            + policy.errors_per_gigabyte * (self.bytes or 0) / GIGABYTE
            + policy.errors_per_kilowatt_hour * (self.watt_hours or 0) / KILO
        )


@dataclass(frozen=True)
class Worth:
    """The sum: what is saved an example (with a 90% interval) and a week, and what it costs."""

    measure: str
    excess: float
    saved: float
    low: float
    high: float
    seen: int
    examples_a_week: float
    weeks: float
    cost: Cost
    cost_in_errors: float
    probability: float  # that it pays

    @property
    def saved_a_week(self) -> float:
        """Errors (or nats) saved in a week."""
        return self.saved * self.examples_a_week

    def document(self) -> dict[str, Any]:
        """As it is kept and shown, with the sum in words."""
        figures = {**asdict(self), "saved_a_week": self.saved_a_week}
        rounded = {
            name: float(f"{value:.3g}") if isinstance(value, float) else value
            for name, value in figures.items()
        }
        return {**rounded, "sentence": sentence(self)}


def expected_share(seen: Iterable[Gain]) -> Share:
    """The share of the excess that retraining takes away, after the gains that were seen."""
    mean, precision, count = PRIOR_SHARE, PRIOR_SD**-2, 0
    for gain in seen:
        told = 1 / (gain.sd**2 + BETWEEN_SD**2)
        mean = (mean * precision + gain.share * told) / (precision + told)
        precision, count = precision + told, count + 1
    return Share(mean, sqrt(1 / precision + BETWEEN_SD**2), count)


def worth(
    now: ErrorLevel,
    reference: ErrorLevel,
    share: Share,
    examples_a_week: float,
    cost: Cost,
    policy: BenefitPolicy,
) -> Worth:
    """The sum for a version that errs as `now`, and erred as its `reference`."""
    excess = max(now.value - reference.value, 0.0)
    excess_sd = sqrt(now.sd**2 + reference.sd**2)
    saved = excess * share.mean
    sd = sqrt((excess_sd * share.mean) ** 2 + (excess * share.sd) ** 2)
    price, examples = cost.in_errors(policy), examples_a_week * policy.weeks
    return Worth(
        measure=now.measure,
        excess=excess,
        saved=saved,
        low=saved - LIKELY * sd,
        high=saved + LIKELY * sd,
        seen=share.seen,
        examples_a_week=examples_a_week,
        weeks=policy.weeks,
        cost=cost,
        cost_in_errors=price,
        probability=_probability(saved * examples - price, sd * examples),
    )


def sentence(sum_: Worth) -> str:
    """The sum in words, with its units and how sure it is."""
    errors = "errors" if sum_.measure == ERROR_RATE else "nats"
    unit = "error" if sum_.measure == ERROR_RATE else "nats of log loss"
    weekly = (sum_.low * sum_.examples_a_week, sum_.high * sum_.examples_a_week)
    basis = f"{sum_.seen} measured retrainings" if sum_.seen else "no retraining measured yet"
    return (
        f"Saves about {sum_.saved:.2g} {unit} x {sum_.examples_a_week:,.0f} examples a week ="
        f" {_count(sum_.saved_a_week)} {errors} (likely {_count(weekly[0])} to"
        f" {_count(weekly[1])}; {basis}); costs {cost_in_words(sum_.cost)}. Over"
        f" {sum_.weeks:g} weeks it pays with probability {sum_.probability:.2f}."
    )


def cost_in_words(cost: Cost) -> str:
    """Client-hours, traffic and energy, as far as they are known."""
    told = []
    if cost.client_seconds is not None:
        told.append(f"{cost.client_seconds / HOUR:.2g} client-hours")
    if cost.bytes is not None:
        told.append(f"{cost.bytes / 1e6:,.3g} MB")
    if cost.watt_hours is not None:
        told.append(f"{cost.watt_hours:,.3g} Wh")
    return ", ".join(told) if told else "nobody knows what (no fit round reported it)"


def _probability(mean: float, sd: float) -> float:
    """That a normal quantity is above 0."""
    return NormalDist().cdf(mean / sd) if sd > 0 else float(mean > 0)


def _count(errors: float) -> str:
    return f"{float(f'{errors:.2g}'):,.0f}" if abs(errors) >= 1 else f"{errors:.2g}"
