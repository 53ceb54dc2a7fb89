"""Whether cohorts see as many events as the model's scores promise, summed up over rounds.

A country with two deaths a month says nothing in any month, and something in three years. The model
itself says how many to expect, so no past of the cohort's is needed: newcomers count at once. The
sums begin with the reference's first round. Evidence is weighed by `claim_evidence`, which holds
however often it is looked at; what rounds vary beyond independent events divides it.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from sqlmodel import Session

from app.drift import measuring, streams
from app.drift.findings import RATIO, Case, Finding, error_budget
from app.drift.judging import decide
from app.drift.measurements import CALIBRATION_RATIO, SCORE, Floats, Mask, RoundMeasure
from app.drift.scopes import Scope
from app.drift.tables import Reference
from app.federations.tables import Federation
from app.rounds import disclosure
from app.rounds.tables import Round
from detectors import ClaimEvidence, Outcome, benjamini_hochberg, claim_evidence

CLAIMS = -3  # the shard of what cohorts saw since a reference's first round
DETECTOR = "claim"
LEAST_ROUNDS = 5  # that tell how rounds vary
FEDERATION = ""  # whose sums are those of the reference's rounds alone
LARGEST_DETECTABLE = 1.0  # a cohort in which twice the events could not be seen is not judged


class Sums(msgspec.Struct):
    """What a cohort saw: `events`, `counts` by bin of the score, and how much its rounds varied."""

    counts: list[float]
    events: float = 0.0
    squares: float = 0.0  # of the standardised gap of each round
    rounds: int = 0

    def add(self, events: float, counts: Floats, chances: Floats) -> None:
        """Take in a round."""
        gap, variance = events - counts @ chances, counts @ (chances * (1 - chances))
        if variance > 0:
            self.events += events
            self.counts = (np.array(self.counts) + counts).tolist()
            self.squares += float(gap * gap / variance)
            self.rounds += 1

    def dispersion(self, chances: Floats) -> float:
        """How many times more its rounds vary around its own ratio than events do; at least 1."""
        counts = np.array(self.counts)
        gap, variance = self.events - counts @ chances, counts @ (chances * (1 - chances))
        if self.rounds < 2 or variance <= 0:  # noqa: PLR2004 - one round has no variance
            return 1.0
        return max(1.0, float(self.squares - gap * gap / variance) / (self.rounds - 1))


class Claims(msgspec.Struct):
    """The sums of every cohort, by key, on these edges of the score."""

    edges: list[float]
    cohorts: dict[str, Sums]

    @property
    def chances(self) -> Floats:
        """What the scores in a bin are taken to promise: its middle."""
        edges = np.array(self.edges)
        chances: Floats = np.clip((edges[1:] + edges[:-1]) / 2, 1e-9, 1 - 1e-9)
        return chances

    def add(self, measure: RoundMeasure, *, of_all: bool = False) -> None:
        """Take in a round's cohorts, and its federation where asked for; none on other bins."""
        for key, rows in _cohorts(measure, of_all=of_all):
            told = _counts(measure, rows)
            if measure.histograms[SCORE].edges.tolist() == self.edges:
                sums = self.cohorts.setdefault(key, Sums([0.0] * (len(self.edges) - 1)))
                sums.add(*told, self.chances)


def resume(
    session: Session, federation: Federation, case: Case, round_: Round, reference: Reference
) -> Claims | None:
    """What cohorts saw until a round, itself included; None where no scores and labels are told."""
    stored, missed = streams.stored(session, reference, CLAIMS, round_)
    measures = [*measuring.measure(session, federation, missed, round_.version), case.current]
    if stored is not None:
        claims = msgspec.msgpack.decode(stored, type=Claims)
    elif SCORE in case.current.histograms and case.current.outcomes is not None:
        claims = begun(case)
    else:
        return None
    for measure in measures:
        claims.add(measure)
    return claims


def begun(case: Case) -> Claims:
    """What was seen in a reference's rounds."""
    claims = Claims(case.current.histograms[SCORE].edges.tolist(), {})
    for measure in case.reference:
        claims.add(measure, of_all=True)
    return claims


def judge_claims(case: Case, claims: Claims) -> list[Finding]:
    """Each cohort of the round that may be shown, one error budget spent over all of them."""
    if not case.judged(CALIBRATION_RATIO).judged:
        return []
    level = error_budget(case.policy, "cohort", CALIBRATION_RATIO)
    keys = [key for key in _shown(case) if key in claims.cohorts]
    told = {key: claims.cohorts[key] for key in keys}
    evidence = _weighed(told, claims.chances, level)
    untrue = _why_untrue(claims, level, case.judged(CALIBRATION_RATIO).effect)
    found = [_finding(case, key, told[key], evidence, at, untrue) for at, key in enumerate(keys)]
    tested = [at for at, one in enumerate(found) if one.outcome is Outcome.STABLE]
    p_values = [evidence.p_values[at] for at in tested]
    for at, q_value in zip(tested, benjamini_hochberg(p_values) if tested else (), strict=True):
        found[at] = decide(found[at], float(q_value), level)
    return found


def _finding(
    case: Case, key: str, sums: Sums, evidence: ClaimEvidence, at: int, untrue: str | None
) -> Finding:
    detectable = float(evidence.minimum_detectable_effects[at])
    finding = Finding(
        subject=CALIBRATION_RATIO,
        scope=Scope("cohort", key, np.empty(0)),
        detector=DETECTOR,
        outcome=Outcome.STABLE,
        effect_unit=RATIO,
        threshold=case.judged(CALIBRATION_RATIO).effect,
        statistic=float(evidence.e_values[at]),
        effect=float(evidence.effects[at]),
        p_value=float(evidence.p_values[at]),
        minimum_detectable_effect=detectable if np.isfinite(detectable) else None,
        explanation={"rounds": sums.rounds},
    )
    if untrue is not None:
        return finding.insufficient(untrue)
    if sums.rounds < LEAST_ROUNDS:
        return finding.insufficient(f"{sums.rounds} rounds; {LEAST_ROUNDS} are asked for")
    if detectable > LARGEST_DETECTABLE:
        return finding.insufficient("too few events for twice as many to be seen")
    return finding


def _weighed(told: Mapping[str, Sums], chances: Floats, level: float) -> ClaimEvidence:
    each = list(told.values())
    counts = np.array([one.counts for one in each]).reshape(len(each), len(chances))
    return claim_evidence(
        [max(one.events, 0.0) for one in each],
        np.maximum(counts, 0.0),  # of noised counts some are negative
        chances,
        dispersion=[one.dispersion(chances) for one in each],
        alpha=level,
    )


def _why_untrue(claims: Claims, level: float, effect: float) -> str | None:
    """Why no cohort can be held to the scores: in the reference they were no chances for anyone."""
    everyone = claims.cohorts.get(FEDERATION)
    if everyone is None:
        return None
    evidence = _weighed({FEDERATION: everyone}, claims.chances, level)
    if evidence.p_values[0] <= level and abs(evidence.effects[0]) >= effect:
        return "the scores were no probabilities in the reference's rounds, for all clients"
    return None


def _counts(measure: RoundMeasure, rows: Mask) -> tuple[float, Floats]:
    """The events of these clients, and their scores by bin, as many as labels came."""
    assert measure.outcomes is not None
    labels, events = measure.outcomes[rows].T
    counts = measure.histograms[SCORE].counts[rows]
    scale = labels / np.maximum(counts.sum(axis=1), 1.0)
    by_bin: Floats = (counts * scale[:, np.newaxis]).sum(axis=0)
    return float(events.sum()), by_bin


def _cohorts(measure: RoundMeasure, *, of_all: bool) -> Iterator[tuple[str, Mask]]:
    """The clients of each cohort that told labels and scores."""
    told = _told(measure)
    if of_all and told.any():
        yield FEDERATION, told
    for tag, values in sorted(measure.tags.items()):
        for value in sorted(set(values[told].tolist()) - {""}):
            yield f"{tag}={value}", told & (values == value)


def _told(measure: RoundMeasure) -> Mask:
    binned = measure.histograms.get(SCORE)
    if measure.outcomes is None or binned is None:
        return np.zeros(len(measure.clients), dtype=np.bool_)
    told: Mask = binned.told & (np.nan_to_num(measure.outcomes[:, 0]) > 0)
    return told


def _shown(case: Case) -> Sequence[str]:
    """The cohorts of the round of which enough clients told, by `disclosure.py`."""
    rows = np.flatnonzero(_told(case.current))
    groups = disclosure.rows_of(case.current.tags, rows)
    least = disclosure.records_needed(case.min_cohort_size, case.current.stands_for)
    return sorted(key for kind, key in disclosure.shown(groups, least) if kind == "cohort")
