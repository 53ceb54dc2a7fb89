"""Which of a round's drifting series belong together, and to which open incident.

Pure decisions; no database. Series of one place (a scope and its key), of one family and of about
one onset are one cause. So is, whatever the families, what shows in one cohort alone, or comes with
one single feature while all others are still; so are clients in which one subject drifts. What
drifts in the whole federation takes in the cohorts that show the same subject, or the same family
since then, and whatever of the family single clients show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.drift.service import Series, Timeline
from app.drift.tables import Verdict
from app.federations.policy import IncidentPolicy
from app.incidents.grouping import DRIFT, INSUFFICIENT, PARTICIPATION
from app.incidents.severity import ratio_of

FEDERATION, COHORT, CLIENT, STABLE = "federation", "cohort", "client", "stable"
FEATURE = "feature:"
MOST_APART = 1  # rounds between the onsets of one cause in two families
Drifting = Mapping[Series, Sequence[Verdict]]


class Known(Protocol):
    """An open incident, as far as it matters here."""

    @property
    def place(self) -> tuple[str, str]:
        """Its scope and the key of that."""

    @property
    def onset_step(self) -> int:
        """Since when it has been going on."""

    @property
    def families(self) -> Mapping[Series, str]:
        """Its series, each with its family."""


@dataclass
class Cause:
    """What drifts together in a round: `known` is the open incident that it is evidence of.

    `beside` drifts too because of it, and is no cause of its own.
    """

    place: tuple[str, str]
    onset_step: int
    known: Known | None = None
    families: dict[Series, str] = field(default_factory=dict)
    drifting: dict[Series, Sequence[Verdict]] = field(default_factory=dict)
    beside: list[Verdict] = field(default_factory=list)

    @property
    def feature(self) -> str | None:
        """The single feature that it shows in; None where there are more, or none."""
        return single_feature(self.families)

    def is_elsewhere(self, subject: str) -> bool:
        """Whether drift in this subject at another client, or in another cohort, is part of it.

        Clients that drift in one subject are one cause; cohorts only by their one feature, since
        what is done about a cohort is done for it alone.
        """
        if self.place[0] == CLIENT:
            return subject in {one.subject for one in self.families}
        return self.place[0] == COHORT and self.feature == subject

    def add(self, series: Series, verdicts: Sequence[Verdict]) -> None:
        """Have a series be part of it."""
        self.families[series] = verdicts[0].family
        self.drifting[series] = verdicts


def single_feature(series: Iterable[Series]) -> str | None:
    """The only feature among subjects; None where there are more, or none."""
    features = {one.subject for one in series if one.subject.startswith(FEATURE)}
    return features.pop() if len(features) == 1 else None


def drifting_of(verdicts: Iterable[Verdict]) -> dict[Series, list[Verdict]]:
    """The drift among a round's verdicts by series, the widest scope and the strongest first."""
    found: dict[Series, list[Verdict]] = {}
    rank = {FEDERATION: 0, COHORT: 1, CLIENT: 2}
    drifting = (one for one in verdicts if one.outcome == DRIFT)
    for verdict in sorted(drifting, key=lambda one: (rank[one.scope], -ratio_of(one), one.subject)):
        found.setdefault(Series.of(verdict), []).append(verdict)
    return found


class Sorting:
    """One round's drift, sorted into the causes that are known and new ones."""

    def __init__(
        self,
        verdicts: Sequence[Verdict],
        known: Sequence[Known],
        onsets: Mapping[Series, int],
        rounds: Timeline,
        policy: IncidentPolicy,
    ) -> None:
        self._onsets, self._rounds, self._policy = onsets, rounds, policy
        self._traced = traced_cohorts(verdicts) if COHORT in policy.scopes else {}
        self._features = traced_features(verdicts)
        self.causes = [Cause(one.place, one.onset_step, one, dict(one.families)) for one in known]
        for series, drift in drifting_of(verdicts).items():
            self._sort(series, drift)

    @property
    def new(self) -> list[Cause]:
        """The causes that no open incident is about."""
        return [cause for cause in self.causes if cause.known is None]

    @property
    def under_way(self) -> list[Cause]:
        """The causes of open incidents, in their order; without what drifts where nothing does."""
        return [cause for cause in self.causes if cause.known is not None]

    def _sort(self, series: Series, drift: Sequence[Verdict]) -> None:
        owners = [cause for cause in self.causes if series in cause.families]
        if owners:
            owners[-1].drifting[series] = drift
            return
        if wider := self._wider(series, drift[0].family):
            wider.beside.extend(drift)
            return
        place = self._place(series)
        if place[0] not in self._policy.scopes:
            return
        onset = self._onsets[series]
        home = self._home(series, drift[0].family, place, onset)
        if home is None:
            home = Cause(place, onset)
            self.causes.append(home)
        home.onset_step = min(home.onset_step, onset) if home.known is None else home.onset_step
        home.add(series, drift)

    def _place(self, series: Series) -> tuple[str, str]:
        """Where a series belongs: what drifts in the federation for one cohort alone, with that."""
        if series.scope == FEDERATION and series.subject in self._traced:
            return COHORT, self._traced[series.subject]
        return series.scope, series.scope_key

    def _wider(self, series: Series, family: str) -> Cause | None:
        """The federation's cause that a cohort's or client's drift is part of."""
        if series.scope == FEDERATION or FEDERATION not in self._policy.scopes:
            return None
        for cause in self.causes:
            subjects = {one.subject for one in cause.families}
            near = family in cause.families.values() and (
                series.scope == CLIENT or self._near(cause, self._onsets[series])
            )
            if cause.place[0] == FEDERATION and (series.subject in subjects or near):
                return cause
        return None

    def _home(
        self, series: Series, family: str, place: tuple[str, str], onset: int
    ) -> Cause | None:
        """The cause that a series is part of: alike, then of the nearest onset; None: a new one."""
        fitting = [
            cause
            for cause in self.causes
            if self._near(cause, onset)
            and (
                (cause.place == place and self._of_one(cause, series, family))
                or (cause.place[0] == place[0] and cause.is_elsewhere(series.subject))
            )
        ]

        def distance(cause: Cause) -> tuple[bool, int]:
            alike = cause.is_elsewhere(series.subject)
            return not alike, self._rounds.apart(cause.onset_step, onset)

        return min(fitting, key=distance, default=None)

    def _near(self, cause: Cause, onset: int) -> bool:
        return self._rounds.apart(cause.onset_step, onset) <= self._policy.onset_rounds

    def _of_one(self, cause: Cause, series: Series, family: str) -> bool:
        families = {*cause.families.values(), family}
        if len(families) == 1:
            return True
        apart = self._rounds.apart(cause.onset_step, self._onsets[series])
        if PARTICIPATION in families or apart > MOST_APART:
            return False
        feature = single_feature((*cause.families, series))
        alone = feature is not None and self._features.get(cause.place) == feature
        return alone or cause.place[0] == COHORT


def traced_features(verdicts: Iterable[Verdict]) -> dict[tuple[str, str], str]:
    """By place, the one feature that drifts there while every other one is still.

    Where others move too, though it is not sure of them, what happens besides is not its doing.
    """
    by_place: dict[tuple[str, str], dict[str, list[Verdict]]] = {}
    for one in verdicts:
        if one.subject.startswith(FEATURE) and one.outcome != INSUFFICIENT:
            here = by_place.setdefault((one.scope, one.scope_key), {})
            here.setdefault(one.subject, []).append(one)
    found = {place: _alone(features) for place, features in by_place.items()}
    return {place: feature for place, feature in found.items() if feature is not None}


def traced_cohorts(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """By subject, the one cohort that a drift of the whole federation comes from.

    That is one which drifts while every other of its tag is stable, with less than what matters in
    practice; of several (one of each tag) the one that moved most.
    """
    by_tag: dict[tuple[str, str], dict[str, list[Verdict]]] = {}
    for one in verdicts:
        if one.scope == COHORT and one.outcome != INSUFFICIENT:
            tag = (one.subject, one.scope_key.partition("=")[0])
            by_tag.setdefault(tag, {}).setdefault(one.scope_key, []).append(one)
    found: dict[str, tuple[float, str]] = {}
    for (subject, _tag), cohorts in by_tag.items():
        alone = _alone(cohorts) if len(cohorts) > 1 else None
        if alone is not None:
            ratio = max(ratio_of(one) for one in cohorts[alone])
            found[subject] = max(found.get(subject, (0.0, alone)), (ratio, alone))
    return {subject: cohort for subject, (_ratio, cohort) in found.items()}


def _alone(told: Mapping[str, Sequence[Verdict]]) -> str | None:
    """The only one with drift, if all others are stable and have moved less than matters."""
    drifting = [key for key, found in told.items() if any(one.outcome == DRIFT for one in found)]
    others = [one for key, found in told.items() if key not in drifting for one in found]
    still = all(one.outcome == STABLE and ratio_of(one) < 1 for one in others)
    return drifting[0] if len(drifting) == 1 and still else None
