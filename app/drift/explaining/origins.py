"""Whether inputs, labels or the concept moved: from how labels and predictions fall together.

Both sides are those of the same clients, weighted by their shares of the reference's examples, so
that others taking part is no origin. Rounds vary by more than their examples explain; counts are
taken to say as much as rounds that vary so can.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from app.drift.departures import summarise
from app.drift.explaining.schemas import Origin
from app.drift.findings import Case
from app.drift.measurements import LABEL, Floats, RoundMeasure
from app.drift.scopes import Scope
from app.federations.policy.kinds import kind_of
from detectors import (
    DetectorError,
    Histogram,
    effective_sample_size,
    estimate_variation,
    origin_of_drift,
)
from detectors import Origin as Account

JOINT = "joint"
DIGITS = 3
NO_LABELS = "no labels of the newest rounds have come yet"
NO_JOINT = "labels and predictions were not counted together"
NO_REFERENCE = "the reference has no labels and predictions that were counted together"
TOO_FEW = "too few rounds of the reference counted labels and predictions together"


class Origins:
    """Where the drifts of a case come from, in any scope."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._by_scope: dict[str, dict[Account, float] | str] = {}

    @cached_property
    def _joints(self) -> Case:
        """The case with nothing but the joint counts, as a distribution."""
        before, after = (
            [_joint_alone(one) for one in side]
            for side in (self._case.reference, self._case.latest)
        )
        return replace(self._case, reference=before, latest=after)

    def of(self, scope: Scope, drifting: Collection[str], inputs: Collection[str]) -> Origin:
        """Where what drifts in a scope comes from; `inputs` of the `drifting` subjects are ones."""
        inputs_moved = bool(inputs)
        labels_moved = any(kind_of(subject) == LABEL for subject in drifting)
        evidence = self._by_scope.get(scope.key)
        if evidence is None:
            evidence = self._by_scope[scope.key] = self._told(scope)
        if isinstance(evidence, str):
            return Origin(
                origin=None, missing=evidence, inputs_moved=inputs_moved, labels_moved=labels_moved
            )
        probabilities = {account.value: round(p, DIGITS) for account, p in evidence.items()}
        likeliest = max(evidence, key=lambda account: evidence[account])
        seen = Account.VIRTUAL if likeliest is Account.NONE and inputs_moved else likeliest
        return Origin.model_validate(
            {
                "origin": seen.value,
                "probabilities": probabilities,
                "inputs_moved": inputs_moved,
                "labels_moved": labels_moved,
            }
        )

    def _told(self, scope: Scope) -> dict[Account, float] | str:
        try:
            return self._evidence(scope)
        except DetectorError:
            return TOO_FEW

    def _evidence(self, scope: Scope) -> dict[Account, float] | str:
        """The probability of each account, or why there is none."""
        after = self._in(scope, "after")
        if not after:
            return NO_JOINT if _labelled(self._case.latest) else NO_LABELS
        before = self._in(scope, "before")
        if not before:
            return NO_REFERENCE
        tau_squared = estimate_variation(before).tau_squared
        (old, noise_before), (new, noise_after) = (
            _as_much_as_rounds_say(side, tau_squared) for side in (before, after)
        )
        return origin_of_drift(old, new, noise_sd=(noise_before, noise_after)).probabilities

    def _in(self, scope: Scope, side: str) -> list[Histogram]:
        """The joint counts of a scope in the rounds of a side that told them."""
        case = self._joints
        rounds, places = (
            (case.reference, case.places_before)
            if side == "before"
            else (case.latest, case.places_after)
        )
        told = (
            summarise(measure, at, [scope], case.expected).histogram(0, JOINT)
            for measure, at in zip(rounds, places, strict=True)
            if JOINT in measure.histograms
        )
        return [histogram for histogram in told if histogram is not None]


def _joint_alone(measure: RoundMeasure) -> RoundMeasure:
    told = {} if measure.joint is None else {JOINT: measure.joint}
    return replace(measure, rates={}, whole={}, histograms=told)


def _labelled(latest: Iterable[RoundMeasure]) -> bool:
    """Whether any of these rounds tells labels, or what follows from them."""
    subjects = {subject for measure in latest for subject in measure.rates}
    return any(kind_of(subject) in {LABEL, "error_rate", "log_loss"} for subject in subjects)


def _as_much_as_rounds_say(side: Sequence[Histogram], tau_squared: float) -> tuple[Floats, float]:
    """The counts of some rounds, each worth what a round that varies so is worth; their noise."""
    worth = np.array([effective_sample_size(one.total, tau_squared) for one in side])
    counts = np.sum([one.pmf() * size for one, size in zip(side, worth, strict=True)], axis=0)
    noise = worth / [one.total for one in side] * [one.noise_sd for one in side]
    classes = round(np.sqrt(len(counts)))
    return counts.reshape(classes, classes), float(np.sqrt(np.sum(noise**2)))
