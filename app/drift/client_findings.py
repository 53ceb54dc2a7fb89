"""Answers on clients one by one, as arrays: one detector's on one subject, an entry a client."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.drift.findings import family_of
from app.drift.measurements import Floats, Mask
from app.rounds.records import Pseudonyms
from detectors import Outcome, benjamini_hochberg

Codes = NDArray[np.int8]
Adjustment = Callable[[Floats], Floats]  # from p-values to q-values
OUTCOMES = (Outcome.STABLE, Outcome.WARNING, Outcome.DRIFT, Outcome.INSUFFICIENT_EVIDENCE)
STABLE, WARNING, DRIFT, INSUFFICIENT = range(len(OUTCOMES))


class Missing(IntEnum):
    """Why a client's subject was not judged; the first four are `median_shifts`' own codes."""

    NOTHING = 0
    FEW_REFERENCE_ROUNDS = 1
    NO_SPREAD = 2
    NOT_TOLD_LATELY = 3
    FEW_ROUNDS_SINCE = 4
    FEW_EXAMPLES = 5
    SUMS_ONLY = 6
    OTHER_BINS = 7
    SEASON = 8


IN_WORDS = {
    Missing.FEW_REFERENCE_ROUNDS: "too few of the reference's rounds tell this of the client",
    Missing.NO_SPREAD: "the reference's values of the client are all equal",
    Missing.NOT_TOLD_LATELY: "the client has not told this in the newest rounds",
    Missing.FEW_ROUNDS_SINCE: "too few rounds since the reference",
    Missing.FEW_EXAMPLES: "the client has too few examples in this round",
    Missing.SUMS_ONLY: "under secure aggregation this is a cohort's sum, and no client's own",
    Missing.OTHER_BINS: "the reference counted on other bins",
    Missing.SEASON: "its season has not come round once, and might be all that a client shows",
}


@dataclass(frozen=True, eq=False)
class Answers:
    """What a test says of many clients; numbers are NaN where there are none."""

    statistics: Floats
    effects: Floats
    p_values: Floats
    minimum_detectable_effects: Floats

    def where(self, told: Mask) -> "Answers":
        """Of these clients alone."""
        detectable = np.where(
            np.isfinite(self.minimum_detectable_effects), self.minimum_detectable_effects, np.nan
        )
        each = (self.statistics, self.effects, self.p_values, detectable)
        return Answers(*(np.where(told, one, np.nan) for one in each))


@dataclass(frozen=True, eq=False)
class ClientFindings:
    """One detector's answers on one subject; `outcomes` are positions in `OUTCOMES`."""

    subject: str
    detector: str
    effect_unit: str
    threshold: float
    clients: Pseudonyms
    answers: Answers
    missing: Codes
    outcomes: Codes
    q_values: Floats

    @classmethod
    def undecided(
        cls,
        subject: str,
        detector: str,
        effect_unit: str,
        threshold: float,
        clients: Pseudonyms,
        answers: Answers,
        missing: Codes,
        outcomes: Codes | int = STABLE,
    ) -> "ClientFindings":
        """With an error budget still to be spent on the p-values, if there are any."""
        told = missing == Missing.NOTHING
        return cls(
            subject,
            detector,
            effect_unit,
            threshold,
            clients,
            answers.where(told),
            missing,
            np.where(told, outcomes, INSUFFICIENT).astype(np.int8),
            np.full(len(clients), np.nan),
        )

    @property
    def family(self) -> str:
        """`concept` needs labels, `data` needs none."""
        return family_of(self.subject)

    @property
    def tested(self) -> bool:
        """Whether its answers have p-values, as those of sequential detectors have not."""
        return not bool(np.isnan(self.answers.p_values).all())

    def of(self, chosen: Mask) -> "ClientFindings":
        """The part on these clients."""
        answers = Answers(
            self.answers.statistics[chosen],
            self.answers.effects[chosen],
            self.answers.p_values[chosen],
            self.answers.minimum_detectable_effects[chosen],
        )
        return replace(
            self,
            clients=self.clients[chosen],
            answers=answers,
            missing=self.missing[chosen],
            outcomes=self.outcomes[chosen],
            q_values=self.q_values[chosen],
        )

    def count(self, outcome: int) -> int:
        """How many clients have an outcome."""
        return int(np.count_nonzero(self.outcomes == outcome))

    def moved_with(self, effect: float | None) -> int:
        """How many clients moved the same way as a wider scope did, by a practical effect."""
        if effect is None:
            return 0
        effects = self.answers.effects
        moved = (effects * effect > 0) & (np.abs(effects) >= self.threshold)
        return int(np.count_nonzero(moved & (self.outcomes != INSUFFICIENT)))


def decide(found: Iterable[ClientFindings], level: float) -> list[ClientFindings]:
    """Spend the error budget: one false discovery rate over all clients' subjects of a family."""
    return _decide_all(found, level, benjamini_hochberg)


def decide_outcomes(found: Iterable[ClientFindings], level: float) -> list[ClientFindings]:
    """The same outcomes, with q-values of what drifts alone.

    No p-value above the level can have a say in that, so that very many are never put in order.
    """
    return _decide_all(found, level, partial(_adjusted_up_to, level))


def _decide_all(
    found: Iterable[ClientFindings], level: float, adjust: Adjustment
) -> list[ClientFindings]:
    findings = list(found)
    families = sorted({one.family for one in findings})
    pools = ([one for one in findings if one.family == family] for family in families)
    return [decided for pool in pools for decided in _decided(pool, level, adjust)]


def _adjusted_up_to(level: float, p_values: Floats) -> Floats:
    small = p_values <= level
    q_values = np.full(p_values.size, np.nan)
    q_values[small] = benjamini_hochberg(p_values[small], tests=p_values.size)
    return np.where(q_values <= level, q_values, np.nan)


def _decided(
    pool: Sequence[ClientFindings], level: float, adjust: Adjustment
) -> Iterator[ClientFindings]:
    tested = [~np.isnan(one.answers.p_values) for one in pool]
    p_values = [one.answers.p_values[told] for one, told in zip(pool, tested, strict=True)]
    adjusted = np.asarray(adjust(np.concatenate(p_values)))
    ends = np.cumsum([len(part) for part in p_values])
    for one, told, q_values in zip(pool, tested, np.split(adjusted, ends[:-1]), strict=True):
        yield _decide(one, told, q_values, level)


def _decide(one: ClientFindings, told: Mask, adjusted: Floats, level: float) -> ClientFindings:
    q_values = np.full(len(told), np.nan)
    q_values[told] = adjusted
    practical = np.abs(one.answers.effects) >= one.threshold
    outcomes = one.outcomes.copy()
    outcomes[told & practical & (one.answers.p_values <= level)] = WARNING
    outcomes[told & practical & (q_values <= level)] = DRIFT
    return replace(one, q_values=q_values, outcomes=outcomes)
