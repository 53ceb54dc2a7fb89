"""Canary rounds as pairs: champion and candidate on the same examples, client by client.

Sums merge exactly, so a client's rounds are added up. A client counts in a round only if it told
the losses and the right predictions of both versions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.rounds import disclosure
from app.rounds.reports import ClientReport
from app.rounds.tables import Round

FloatArray = NDArray[np.float64]
BOTH = ("loss_sum", "correct_count")


@dataclass(frozen=True)
class Pair:
    """Both versions on one client's examples; all but `cohorts` are sums over examples."""

    cohorts: frozenset[str]  # "tag=value"
    n: int
    champion_loss_sum: float
    candidate_loss_sum: float
    champion_correct: float
    candidate_correct: float
    agreement: FloatArray  # (2, 2); zeros when it was not told
    confusions: FloatArray | None  # (2, classes, classes): champion, candidate

    def plus(self, later: "Pair") -> "Pair":
        """Both rounds' sums, under the cohorts of the later one."""
        return Pair(
            cohorts=later.cohorts,
            n=self.n + later.n,
            champion_loss_sum=self.champion_loss_sum + later.champion_loss_sum,
            candidate_loss_sum=self.candidate_loss_sum + later.candidate_loss_sum,
            champion_correct=self.champion_correct + later.champion_correct,
            candidate_correct=self.candidate_correct + later.candidate_correct,
            agreement=self.agreement + later.agreement,
            confusions=add_confusions([self.confusions, later.confusions]),
        )


def pairs_of(rounds: Sequence[Round], reports: Iterable[ClientReport]) -> dict[str, Pair]:
    """Pairs by pseudonym, in its order; `rounds` are the canary rounds, oldest first."""
    order = {round_.id: position for position, round_ in enumerate(rounds)}
    pairs: dict[str, Pair] = {}
    for report in sorted(reports, key=lambda report: order[report.round_id]):
        pair = _pair(report)
        if pair is not None:
            known = pairs.get(report.client)
            pairs[report.client] = pair if known is None else known.plus(pair)
    return dict(sorted(pairs.items()))


def cohorts_of(pairs: Sequence[Pair], least: int) -> dict[str, list[Pair]]:
    """The pairs of each cohort that may be shown, of `least` records or more, by name."""
    tags = {str(at): _tags(pair) for at, pair in enumerate(pairs)}
    groups = disclosure.scopes_of(tags)
    shown = sorted(disclosure.shown(groups, least) - {disclosure.FEDERATION})
    return {key: [pairs[at] for at in sorted(map(int, groups[_, key]))] for _, key in shown}


def _tags(pair: Pair) -> dict[str, str]:
    parts = (cohort.partition("=") for cohort in pair.cohorts)
    return {tag: value for tag, _, value in parts}


def add_confusions(parts: Sequence[FloatArray | None]) -> FloatArray | None:
    """Their sum; None when one is missing or counts other classes than the others."""
    told = [part for part in parts if part is not None]
    if len(told) < len(parts) or len({part.shape for part in told}) != 1:
        return None
    total: FloatArray = np.stack(told).sum(axis=0)
    return total


def _pair(report: ClientReport) -> Pair | None:
    champion = report.record.get("metrics") or {}
    block = report.record.get("canary") or {}
    candidate = block.get("metrics") or {}
    told = all(side.get(name) is not None for side in (champion, candidate) for name in BOTH)
    if report.status != "ok" or report.num_examples == 0 or not told:
        return None
    return Pair(
        cohorts=frozenset(f"{tag}={value}" for tag, value in report.cohorts.items()),
        n=report.num_examples,
        champion_loss_sum=champion["loss_sum"],
        candidate_loss_sum=candidate["loss_sum"],
        champion_correct=champion["correct_count"],
        candidate_correct=candidate["correct_count"],
        agreement=np.asarray(block.get("agreement") or np.zeros((2, 2)), dtype=np.float64),
        confusions=_confusions(report.record.get("confusion"), block.get("confusion")),
    )


def _confusions(champion: Any, candidate: Any) -> FloatArray | None:  # noqa: ANN401 - stored JSON
    if champion is None or candidate is None or len(champion) != len(candidate):
        return None
    return np.asarray([champion, candidate], dtype=np.float64)
