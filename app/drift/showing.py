"""Which findings have numbers that may be shown: each of enough clients that told its subject."""

from functools import cache

from app.drift.findings import Case, Finding
from app.drift.measurements import RoundMeasure
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
        self._known = frozenset(name for one in case.reference for name in one.clients)
        self._shown = cache(self._decide)

    def settled(self, finding: Finding) -> Finding:
        """The finding, or without its numbers, saying why."""
        scope = finding.scope
        if scope.kind == "client":
            sums_only = self._case.current.stands_for > 1
            return finding.without_numbers().insufficient(SUMS_ONLY) if sums_only else finding
        if self._told_enough_before(scope, finding.subject) and all(
            (scope.kind, scope.key) in self._shown(at, _telling(measure, finding.subject))
            for at, measure in enumerate(self._case.latest)
            if _telling(measure, finding.subject) & scope.weights.keys()
        ):
            return finding
        return finding.without_numbers().insufficient(TOO_FEW)

    def _decide(self, at: int, told: frozenset[str]) -> set[disclosure.Scope]:
        """The scopes that may be shown of what these clients told in one of the newest rounds."""
        measure = self._case.latest[at]
        tags = {name: measure.clients[name].cohorts for name in told & self._known}
        return disclosure.shown(disclosure.scopes_of(tags), self._least(measure))

    def _told_enough_before(self, scope: Scope, subject: str) -> bool:
        """Whether the reference's side of it rests on enough clients, or on none."""
        telling = (_telling(measure, subject) for measure in self._case.reference)
        before = frozenset[str]().union(*telling) & scope.weights.keys()
        return not before or len(before) >= max(map(self._least, self._case.reference))

    def _least(self, measure: RoundMeasure) -> int:
        return disclosure.records_needed(self._case.min_cohort_size, measure.stands_for)


def _telling(measure: RoundMeasure, subject: str) -> frozenset[str]:
    return frozenset(
        name
        for name, client in measure.clients.items()
        if subject in client.rates or subject in client.histograms
    )
