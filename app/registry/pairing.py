"""Canary rounds as pairs: champion and candidate on the same examples, client by client.

Sums merge exactly, so a client's rounds are added up. A client counts in a round only if it told
the losses and the right predictions of both versions. Rounds are put together into looks: nobody
can tell apart by two looks what fewer clients than the minimum cohort size added.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.rounds import disclosure
from app.rounds.records import Pseudonyms, Records
from app.rounds.tables import Round

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
SUMS = (
    "num_examples",
    "metrics.loss_sum",
    "canary.metrics.loss_sum",
    "metrics.correct_count",
    "canary.metrics.correct_count",
)
TIMES = ("resources.evaluate_ms", "canary.evaluate_ms")
SCORES = ("score_histogram", "canary.score_histogram", "label_counts")
CONFUSIONS = ("confusion", "canary.confusion")
COHORT = "cohorts."


@dataclass(frozen=True, eq=False)
class Pairs:
    """Both versions on the same examples of K clients: one row a client, sums over examples.

    `sums` (K, 5) are examples, losses of champion and candidate, right predictions of both.
    `agreement` (K, 2, 2) and `milliseconds` (K, 2) are zeros where they were not told, as are
    `scores` (K, 3, bins): champion, candidate, labels. `confusions` (K, 2, classes, classes) are
    None unless all told them, and both of these unless all count the same classes.
    """

    clients: Pseudonyms
    cohorts: Mapping[str, NDArray[np.str_]]  # by tag; "" where a client has none
    sums: FloatArray
    agreement: FloatArray
    milliseconds: FloatArray
    confusions: FloatArray | None
    scores: FloatArray | None

    def __len__(self) -> int:
        return len(self.clients)

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return int(self.sums[:, 0].sum())

    def where(self, chosen: Mask) -> "Pairs":
        """Those of some clients."""
        return Pairs(
            clients=self.clients[chosen],
            cohorts={tag: values[chosen] for tag, values in self.cohorts.items()},
            sums=self.sums[chosen],
            agreement=self.agreement[chosen],
            milliseconds=self.milliseconds[chosen],
            confusions=None if self.confusions is None else self.confusions[chosen],
            scores=None if self.scores is None else self.scores[chosen],
        )

    def members(self, cohort: str) -> Mask:
        """Which clients are in a cohort."""
        tag, _, value = cohort.partition("=")
        if tag not in self.cohorts:
            return np.zeros(len(self), dtype=np.bool_)
        return np.asarray(self.cohorts[tag] == value)


@dataclass(frozen=True, eq=False)
class Paired:
    """All that was told of two versions on the same examples.

    `added` (L, K, 5) is what each of L looks added to the sums of `pairs`, and `look_rounds` how
    many rounds it has. `told` counts clients that told anything, also where too few to be shown.
    """

    rounds: Sequence[Round]
    look_rounds: Sequence[int]
    added: FloatArray
    pairs: Pairs
    told: int

    def within(self, cohort: str) -> "Paired":
        """The same of the clients of one cohort alone."""
        members = self.pairs.members(cohort)
        pairs = self.pairs.where(members)
        return replace(self, added=self.added[:, members], pairs=pairs, told=len(pairs))

    def hidden(self) -> "Paired":
        """The same of nobody, where nothing may be shown."""
        return replace(self.within("nobody="), look_rounds=[], added=self.added[:0, :0])


def paired(rounds: Sequence[Round], told: Iterable[Records], least: int, first: int) -> Paired:
    """Canary rounds, oldest first, with their records, as looks of `least` clients or more.

    The first look holds `first` rounds, if there are as many.
    """
    each = [_pairs(records) for records in told]
    everybody = np.unique(np.concatenate([_NOBODY, *(one.clients for one in each)]))
    looks = list(_looks(each, least, first))
    shown = [one for look in looks for one in look]
    clients = np.unique(np.concatenate([_NOBODY, *(one.clients for one in shown)]))
    added = np.zeros((len(looks), len(clients), len(SUMS)))
    for at, look in enumerate(looks):
        for one in look:
            added[at, np.searchsorted(clients, one.clients)] += one.sums
    return Paired(
        rounds, [len(look) for look in looks], added, _merged(clients, shown), len(everybody)
    )


def cohorts_of(found: Paired, least: int) -> list[str]:
    """The cohorts that may be shown, of `least` clients or more, by name."""
    pairs = found.pairs
    tags = {
        str(at): {tag: str(values[at]) for tag, values in pairs.cohorts.items() if values[at]}
        for at in range(len(pairs))
    }
    groups = disclosure.scopes_of(tags)
    return sorted(key for scope, key in disclosure.shown(groups, least) if scope == "cohort")


_NOBODY: Pseudonyms = np.empty(0, dtype="S34")


def _looks(each: Sequence[Pairs], least: int, first: int) -> Iterator[list[Pairs]]:
    waiting: list[Pairs] = []
    early = min(first, len(each))
    for at, one in enumerate(each):
        waiting.append(one)
        clients = np.unique(np.concatenate([other.clients for other in waiting]))
        if len(clients) >= least and at + 1 >= early:
            yield waiting
            waiting = []


def _merged(clients: Pseudonyms, parts: Sequence[Pairs]) -> Pairs:
    """The rounds' sums, under the cohorts of the latest round that a client was in."""
    count, tags = len(clients), sorted({tag for part in parts for tag in part.cohorts})
    cohorts = {tag: np.full(count, "", dtype=np.str_).astype(object) for tag in tags}
    sums, agreement = np.zeros((count, len(SUMS))), np.zeros((count, 2, 2))
    milliseconds = np.zeros((count, len(TIMES)))
    confusions, scores = (
        _zeros(count, [getattr(part, name) for part in parts]) for name in ("confusions", "scores")
    )
    for part in parts:
        rows = np.searchsorted(clients, part.clients)
        sums[rows] += part.sums
        agreement[rows] += part.agreement
        milliseconds[rows] += part.milliseconds
        for total, more in ((confusions, part.confusions), (scores, part.scores)):
            if total is not None and more is not None:
                total[rows] += more
        for tag, values in cohorts.items():
            values[rows] = part.cohorts.get(tag, "")
    named = {tag: values.astype(np.str_) for tag, values in cohorts.items()}
    return Pairs(clients, named, sums, agreement, milliseconds, confusions, scores)


def _zeros(count: int, parts: Sequence[FloatArray | None]) -> FloatArray | None:
    """Room for sums of what all parts told, of one shape; None without."""
    told = [part for part in parts if part is not None]
    if not told or len(told) < len(parts) or len({part.shape[1:] for part in told}) != 1:
        return None
    return np.zeros((count, *told[0].shape[1:]))


def _pairs(records: Records) -> Pairs:
    """The clients of a round that told both versions."""
    count = len(records.clients)
    sums = np.stack([_numbers(records, name) for name in SUMS], axis=1)
    status = records.texts.get("status", np.full(count, ""))
    told = np.isin(status, ("", "ok")) & ~np.isnan(sums).any(axis=1) & (sums[:, 0] > 0)
    times = np.stack([_numbers(records, name) for name in TIMES], axis=1)
    times[np.isnan(times).any(axis=1)] = 0.0
    return Pairs(
        clients=records.clients[told],
        cohorts={
            name.removeprefix(COHORT): values[told]
            for name, values in records.texts.items()
            if name.startswith(COHORT)
        },
        sums=sums[told],
        agreement=_agreement(records, told),
        milliseconds=times[told],
        confusions=_confusions(records, told),
        scores=_scores(records, told),
    )


def _numbers(records: Records, name: str) -> FloatArray:
    return records.numbers.get(name, np.full(len(records.clients), np.nan))


def _agreement(records: Records, told: Mask) -> FloatArray:
    counted = records.counts.get("canary.agreement")
    if counted is None:
        return np.zeros((int(told.sum()), 2, 2))
    return counted.counts[told].reshape(-1, 2, 2)


def _confusions(records: Records, told: Mask) -> FloatArray | None:
    both = [records.counts.get(name) for name in CONFUSIONS]
    known = [one for one in both if one is not None and one.told[told].all()]
    if len(known) < len(CONFUSIONS):
        return None
    rows = known[0].rows
    return np.stack([one.counts[told].reshape(-1, rows, rows) for one in known], axis=1)


def _scores(records: Records, told: Mask) -> FloatArray | None:
    """Scores of both and labels, side by side and as wide as the widest."""
    parts = [records.counts.get(name) for name in SCORES]
    known = [one for one in parts if one is not None]
    if len(known) < len(SCORES):
        return None
    whole = np.all([one.told for one in known], axis=0)
    found = np.zeros((len(told), len(known), max(one.counts.shape[1] for one in known)))
    for at, one in enumerate(known):
        found[whole, at, : one.counts.shape[1]] = one.counts[whole]
    return found[told]
