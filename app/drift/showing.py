"""Which findings have numbers that may be shown: each of enough clients that told its subject."""

from functools import cache

import numpy as np

from app.drift.findings import Case, Finding
from app.drift.measurements import Mask, RoundMeasure
from app.drift.scopes import Scope
from app.rounds import disclosure

TOO_FEW = "fewer clients told this than may be shown, here or in what it could be subtracted from"
SUMS_ONLY = (
    "under secure aggregation this is the sum over a cohort, and no client's own; what clients do"
    " one by one, and how they vary, cannot be told from it"
)


class Showing:
    """The decision of `disclosure.py` for each subject of a case, in each of its newest rounds."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._shown = cache(self._decide)
        self._told_before = cache(self._find_told_before)
        self._most_needed = max(map(self._least, case.reference))

    def settled(self, finding: Finding) -> Finding:
        """The finding, or without its numbers, saying why."""
        if self._told_enough_before(finding.scope, finding.subject) and all(
            self._may_show(at, finding.scope, measure.telling(finding.subject))
            for at, measure in enumerate(self._case.latest)
        ):
            return finding
        return finding.without_numbers().insufficient(TOO_FEW)

    def _may_show(self, at: int, scope: Scope, telling: Mask) -> bool:
        places = self._case.places_after[at]
        told = telling & (places >= 0)
        in_scope = scope.members[places[told]].any()
        return not in_scope or (scope.kind, scope.key) in self._shown(at, told.tobytes())

    def _decide(self, at: int, told: bytes) -> set[disclosure.Scope]:
        """The scopes that may be shown of what these clients told in one of the newest rounds."""
        measure = self._case.latest[at]
        rows = np.flatnonzero(np.frombuffer(told, dtype=np.bool_))
        groups = disclosure.rows_of(measure.tags, rows)
        return disclosure.shown(groups, self._least(measure))

    def _told_enough_before(self, scope: Scope, subject: str) -> bool:
        """Whether the reference's side of it rests on enough clients, or on none."""
        told = int(np.count_nonzero(self._told_before(subject) & scope.members))
        return not told or told >= self._most_needed

    def _find_told_before(self, subject: str) -> Mask:
        told = np.zeros(len(self._case.known.clients), dtype=np.bool_)
        for measure, places in zip(self._case.reference, self._case.places_before, strict=True):
            told[places[measure.telling(subject)]] = True
        return told

    def _least(self, measure: RoundMeasure) -> int:
        return disclosure.records_needed(self._case.min_cohort_size, measure.stands_for)
