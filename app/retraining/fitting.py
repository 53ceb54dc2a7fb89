"""Which earlier version fits the world as it is now: what a recurring concept is met with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session

from app.drift import service as drift
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import service as registry
from app.retraining.measuring import ErrorLevel, error_in, newest_rounds
from app.rounds.tables import Round

LIKELY_BETTER = 1.64  # standard errors of the difference: 95% on one side


@dataclass(frozen=True)
class Fitting:
    """An earlier version, and what it errs in a world like this one beside the version in use."""

    version: str
    measure: str
    error: float
    error_in_use: float
    evidence: str  # where the errors are from, in words

    def document(self) -> dict[str, Any]:
        """As it is kept and shown."""
        return {**asdict(self), "roll_back_to": self.version}

    @property
    def sentence(self) -> str:
        """Why to roll back, in words."""
        measure = self.measure.replace("_", " ")
        return (
            f"Version {self.version} fits what the rounds show now: {measure}"
            f" {self.error:.3g} against {self.error_in_use:.3g} of the version in use,"
            f" {self.evidence}. Roll back to it before any training."
        )


def fitting_version(
    session: Session, federation: Federation, model: str, version: str, step: int
) -> Fitting | None:
    """The earlier version that errs less in this world; None if none does.

    Of versions that ran beside the one in use on the same examples the one that errs least; where
    none did, the one whose reference the newest rounds are like again.
    """
    earlier = _earlier(session, federation, model, version)
    if not earlier:
        return None
    measured = _measured_beside(session, federation, model, version, step, earlier)
    return measured or _remembered(session, federation, model, earlier)


def _measured_beside(
    session: Session,
    federation: Federation,
    model: str,
    version: str,
    step: int,
    earlier: Sequence[str],
) -> Fitting | None:
    """By the policy's number of rounds, the newest that measured both."""
    policy = federations.policy_of(federation)
    least, newest = policy.canary.min_rounds, policy.drift.latest_rounds
    recent = newest_rounds(session, federation.id, model, version, step, newest)
    found = [
        fitting
        for other in earlier
        if len(beside := [one for one in recent if one.canary_version == other]) >= least
        and (fitting := _beside(session, federation, other, beside)) is not None
    ]
    return min(found, key=lambda fitting: fitting.error, default=None)


def _remembered(
    session: Session, federation: Federation, model: str, earlier: Sequence[str]
) -> Fitting | None:
    """By the explanation of the newest judged round, where errors were told then and now."""
    known = drift.fitting_version(session, federation, model)
    if known is None or known.version not in earlier or known.metric is None:
        return None
    if known.figure_then is None or known.figure_now is None:
        return None
    evidence = (
        f"by its reference of {known.since:%Y-%m-%d} to {known.until:%Y-%m-%d} UTC, which the"
        f" newest rounds are like in {', '.join(known.subjects)} ({known.probability:.0%} probable)"
    )
    return Fitting(known.version, known.metric, known.figure_then, known.figure_now, evidence)


def _earlier(session: Session, federation: Federation, model: str, version: str) -> list[str]:
    """The versions that were registered before this one."""
    if all(known.name != model for known in registry.models_of(session, federation.id)):
        return []
    names = [one.version for one in registry.versions_of(session, federation.id, model)]
    return names[: names.index(version)] if version in names else []


def _beside(
    session: Session, federation: Federation, other: str, measured: list[Round]
) -> Fitting | None:
    used, fits = (error_in(session, federation, measured, of) for of in ("model", "canary"))
    if used is None or fits is None or not _is_less(fits, used):
        return None
    evidence = f"on the same examples of {len(measured)} rounds"
    return Fitting(other, fits.measure, fits.value, used.value, evidence)


def _is_less(one: ErrorLevel, other: ErrorLevel) -> bool:
    spread = (one.sd**2 + other.sd**2) ** 0.5
    return one.measure == other.measure and other.value - one.value > LIKELY_BETTER * spread
