"""Canary rounds as pairs: champion and candidate on the same examples, client by client.

Sums merge exactly, so a client's rounds are added up. A client counts in a round only if it told
the losses and the right predictions of both versions. Rounds are put together into looks: nobody
can tell apart by two looks what fewer clients than the minimum cohort size added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
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
    milliseconds: FloatArray  # (2): champion, candidate; zeros unless both were told
    scores: FloatArray | None  # (3, bins or labels, padded): champion, candidate, labels

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
            confusions=added([self.confusions, later.confusions]),
            milliseconds=self.milliseconds + later.milliseconds,
            scores=added([self.scores, later.scores]),
        )


Pairs = Mapping[str, Pair]  # by pseudonym


@dataclass(frozen=True)
class Look:
    """What a look added to the one before: its rounds, and what their clients told."""

    rounds: int
    added: Pairs


@dataclass(frozen=True)
class Paired:
    """All that was told of two versions on the same examples.

    `pairs` are the sums over all `looks`, by pseudonym in its order; `told` counts the clients that
    told anything, also where they are too few to be shown.
    """

    rounds: Sequence[Round]
    looks: Sequence[Look]
    pairs: Pairs
    told: int

    def within(self, cohort: str) -> "Paired":
        """The same of the clients of one cohort alone."""
        members = {client for client, pair in self.pairs.items() if cohort in pair.cohorts}
        looks = [
            replace(look, added={c: p for c, p in look.added.items() if c in members})
            for look in self.looks
        ]
        pairs = {client: pair for client, pair in self.pairs.items() if client in members}
        return Paired(self.rounds, looks, pairs, len(members))

    def sums(self, value: str) -> FloatArray:
        """One of a pair's numbers, shape (looks, clients): what each look added; 0 untold."""
        return np.array(
            [
                [getattr(look.added[c], value) if c in look.added else 0.0 for c in self.pairs]
                for look in self.looks
            ],
            dtype=np.float64,
        ).reshape(len(self.looks), len(self.pairs))


def paired(
    rounds: Sequence[Round], reports: Iterable[ClientReport], least: int, first: int
) -> Paired:
    """Canary rounds, oldest first, as looks of `least` clients or more.

    The first look holds `first` rounds, if there are as many.
    """
    told: dict[Any, dict[str, Pair]] = {round_.id: {} for round_ in rounds}
    for report in reports:
        pair = _pair(report)
        if pair is not None:
            told[report.round_id][report.client] = pair
    clients = {client for of_round in told.values() for client in of_round}
    looks = _looks([told[round_.id] for round_ in rounds], least, first)
    pairs: Pairs = reduce(_merged, (look.added for look in looks), {})
    return Paired(rounds, looks, dict(sorted(pairs.items())), len(clients))


def cohorts_of(found: Paired, least: int) -> list[str]:
    """The cohorts that may be shown, of `least` clients or more, by name."""
    tags = {client: _tags(pair) for client, pair in found.pairs.items()}
    groups = disclosure.scopes_of(tags)
    return sorted(key for scope, key in disclosure.shown(groups, least) if scope == "cohort")


def added(parts: Sequence[FloatArray | None]) -> FloatArray | None:
    """Their sum; None when one is missing or counts other classes than the others."""
    told = [part for part in parts if part is not None]
    if len(told) < len(parts) or len({part.shape for part in told}) != 1:
        return None
    total: FloatArray = np.stack(told).sum(axis=0)
    return total


def _looks(rounds: Sequence[dict[str, Pair]], least: int, first: int) -> list[Look]:
    looks: list[Look] = []
    waiting: Pairs = {}
    count = 0
    for at, told in enumerate(rounds):
        waiting, count = _merged(waiting, told), count + 1
        early = not looks and at + 1 < min(first, len(rounds))
        if len(waiting) >= least and not early:
            looks.append(Look(count, waiting))
            waiting, count = {}, 0
    return looks


def _merged(known: Pairs, later: Pairs) -> Pairs:
    return {**known, **{c: known[c].plus(p) if c in known else p for c, p in later.items()}}


def _tags(pair: Pair) -> dict[str, str]:
    parts = (cohort.partition("=") for cohort in pair.cohorts)
    return {tag: value for tag, _, value in parts}


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
        milliseconds=_milliseconds(report.record, block),
        scores=_scores(report.record, block),
    )


def _confusions(champion: Any, candidate: Any) -> FloatArray | None:  # noqa: ANN401 - stored JSON
    if champion is None or candidate is None or len(champion) != len(candidate):
        return None
    return np.asarray([champion, candidate], dtype=np.float64)


def _milliseconds(record: Mapping[str, Any], block: Mapping[str, Any]) -> FloatArray:
    both = ((record.get("resources") or {}).get("evaluate_ms"), block.get("evaluate_ms"))
    if None in both:
        return np.zeros(2)
    return np.asarray(both, dtype=np.float64)


def _scores(record: Mapping[str, Any], block: Mapping[str, Any]) -> FloatArray | None:
    champion, labels = record.get("score_histogram"), record.get("label_counts")
    candidate = block.get("score_histogram")
    if champion is None or candidate is None or labels is None:
        return None
    parts = (champion, candidate, labels)
    rows = np.zeros((len(parts), max(len(part) for part in parts)))
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    return rows
