"""Makes the explanations of a round from its cases, and from what earlier rounds left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from sqlmodel import Session

from app.drift.client_findings import ClientFindings
from app.drift.explaining import recurring, repository
from app.drift.explaining.alike import Alike, alike, clusters_of
from app.drift.explaining.carrying import (
    client_shares,
    cohort_shares,
    drifting_inputs,
    feature_shares,
    shown_cohorts,
    tags_lately,
)
from app.drift.explaining.causes import Cause, causes_of, causes_of_clients, drifts_of_client
from app.drift.explaining.levels import Levels, client_series, series_of
from app.drift.explaining.movements import Movement, Movements
from app.drift.explaining.origins import Origins
from app.drift.explaining.pooled import split_of
from app.drift.explaining.schemas import (
    ClientShare,
    Clusters,
    CohortShare,
    Evidence,
    Explained,
    Fitting,
)
from app.drift.explaining.sentences import sentence_of
from app.drift.explaining.timing import BEFORE, MOST_ROUNDS, Moment, Timing, moments, timing_of
from app.drift.findings import TAKING_PART, Case, Finding
from app.drift.judging import with_breadth
from app.drift.scopes import Scope
from app.drift.tables import Evaluation, Explanation, Reference
from app.federations.tables import Federation
from app.rounds import disclosure
from app.rounds import service as rounds
from app.rounds.tables import Round
from detectors import Outcome


@dataclass(frozen=True, eq=False)
class Judged:
    """A round as it was judged: its cases, its own first, and what was found.

    Single clients' drifts are explained where they are verdicts `of_their_own`.
    """

    federation: Federation
    round_: Round
    reference: Reference
    evaluation: Evaluation
    cases: Sequence[Case]
    findings: Sequence[Finding]
    clients: Sequence[ClientFindings]
    levels: Levels
    of_their_own: bool


def explanations_of(session: Session, judged: Judged) -> list[Explanation]:
    """Why each subject drifts where it does; nothing is worked out where nothing drifts.

    What a cohort is held to over all rounds, such as the ratio of what its scores promise, is in
    no case: no movement of clients is behind it that could be shown.
    """
    maker = _Maker(session, judged)
    told = {subject for case in judged.cases for subject in (*case.rates, *case.histograms)}
    causes = causes_of(one for one in judged.findings if one.subject in told)
    if judged.of_their_own:
        causes += causes_of_clients(judged.clients, judged.cases[0].known)
    return [maker.explain(cause) for cause in causes]


class _Maker:
    """What the explanations of one round have in common, worked out once."""

    def __init__(self, session: Session, judged: Judged) -> None:
        self._session, self._judged = session, judged
        self._movements = {id(case): Movements(case) for case in judged.cases}
        self._fits: dict[disclosure.Scope, Fitting | None] = {}

    def explain(self, cause: Cause) -> Explanation:
        """The explanation of one cause."""
        judged, case = self._judged, self._case(cause.subject)
        movement = self._movements[id(case)].of(cause.scope, cause.subject)
        groups = self._groups(cause, movement)
        explained = self._explained(cause, case, movement, groups)
        return Explanation(
            federation_id=judged.federation.id,
            evaluation_id=judged.evaluation.id,
            round_id=judged.round_.id,
            subject=cause.subject,
            family=cause.finding.family,
            scope=cause.scope.kind,
            scope_key=cause.scope.key,
            sentence=sentence_of(cause.subject, cause.scope, explained),
            explained=explained.model_dump(mode="json"),
            clients=[one.model_dump(mode="json") for one in self._clients(movement, groups)],
        )

    def _clients(self, movement: Movement | None, groups: Alike | None) -> list[ClientShare]:
        if movement is None or not self._tells_clients or len(movement.clients) == 1:
            return []
        return client_shares(movement, groups)

    def _explained(
        self, cause: Cause, case: Case, movement: Movement | None, groups: Alike | None
    ) -> Explained:
        of_client = cause.scope.kind == "client"
        timing = self._timing_of_client if of_client else self._timing
        kind, onset = timing(cause, case) or (None, None)
        findings = [*self._drifts(cause.scope)]
        drifting = {one.subject for one in findings}
        inputs = {one.subject for one in drifting_inputs(findings, cause.scope)}
        about_data = cause.finding.family != TAKING_PART
        return Explained(
            evidence=_evidence(with_breadth(cause.finding, self._judged.clients)),
            split=None if of_client else split_of(case, cause.scope, cause.subject),
            cohorts=self._cohorts(movement),
            features=feature_shares(findings, cause.scope),
            kind=kind,
            onset=onset,
            origin=self._origins.of(cause.scope, drifting, inputs) if about_data else None,
            clusters=self._clusters(movement, groups),
            recurrence=self._recurrence(cause, drifting) if about_data and not of_client else None,
        )

    def _drifts(self, scope: Scope) -> Iterator[Finding]:
        """All that drifts in a scope."""
        judged = self._judged
        if scope.kind == "client":
            return drifts_of_client(judged.clients, judged.cases[0].known, scope)
        drifts = (one for one in judged.findings if one.outcome is Outcome.DRIFT)
        return (one for one in drifts if one.scope == scope)

    def _case(self, subject: str) -> Case:
        """The case in which a subject is judged."""
        return next(
            case
            for case in self._judged.cases
            if subject in case.rates or subject in case.histograms
        )

    @cached_property
    def _least(self) -> int:
        own = self._judged.cases[0]
        return disclosure.records_needed(own.min_cohort_size, own.current.stands_for)

    @cached_property
    def _tags(self) -> dict[str, dict[str, str]]:
        return tags_lately(self._judged.cases[0])

    @cached_property
    def _origins(self) -> Origins:
        return Origins(self._judged.cases[0])

    @property
    def _tells_clients(self) -> bool:
        """Whether records are single clients', and not sums over cohorts."""
        return self._judged.cases[0].current.stands_for == 1

    def _groups(self, cause: Cause, movement: Movement | None) -> Alike | None:
        if movement is None or not cause.leads or not self._tells_clients:
            return None
        return alike(movement)

    def _cohorts(self, movement: Movement | None) -> dict[str, list[CohortShare]]:
        if movement is None or len(movement.clients) == 1:
            return {}
        return cohort_shares(movement, self._tags, self._least)

    def _clusters(self, movement: Movement | None, groups: Alike | None) -> Clusters | None:
        if movement is None or groups is None:
            return None
        cohorts = shown_cohorts(movement, self._tags, self._least)
        return clusters_of(movement, groups, cohorts, self._least)

    def _timing(self, cause: Cause, case: Case) -> Timing | None:
        """How a subject's levels say that it came about, and since when."""
        series = [
            Moment(one.round_id, one.step, one.at, level)
            for one, levels in self._past
            if (level := levels.of(cause.scope, cause.subject)) is not None
        ]
        level = self._judged.levels.of(cause.scope, cause.subject)
        if level is not None:
            now = self._judged.round_
            series.append(Moment(now.id, now.global_step, now.started_at, level))
        whole = len(self._past) < MOST_ROUNDS
        if whole:
            usual, _ = series_of(case.before, [case.after[-1]], cause.subject)
            levels_before = usual[:, case.scopes.index(cause.scope)]
            series = [*moments(case.reference, levels_before, self._times)[-BEFORE:], *series]
        return timing_of(series, whole=whole)

    def _timing_of_client(self, cause: Cause, case: Case) -> Timing | None:
        """The same of a single client, whose levels are not kept: of the newest rounds alone.

        What moved in the rounds that are not seen has no kind.
        """
        usual, now = client_series(case, cause.scope, cause.subject, cause.finding.detector)
        series = moments(case.reference, usual, self._times)[-BEFORE:]
        latest = moments(case.latest, now, self._times)
        timing = timing_of([*series, *latest], whole=True)
        unseen = len(self._past) >= len(case.latest)  # rounds between the two
        if timing is None or not unseen or timing[1].earliest_step > case.latest[0].step:
            return timing
        return None, timing[1].model_copy(update={"earlier_possible": True})

    @cached_property
    def _past(self) -> list[tuple[repository.Standing, Levels]]:
        """The rounds judged against the same reference before, with their levels."""
        step, reference = self._judged.round_.global_step, self._judged.reference.id
        found = repository.judged_before(self._session, reference, step, MOST_ROUNDS)
        return [(one, Levels.unpacked(one.levels)) for one in found]

    @cached_property
    def _times(self) -> dict[UUID, datetime]:
        """When each round of the cases began."""
        cases = self._judged.cases
        ids = {one.round_id for case in cases for one in (*case.reference, *case.latest)}
        federation = self._judged.federation.id
        return {
            one.id: one.started_at for one in rounds.with_ids(self._session, federation, [*ids])
        }

    def _recurrence(self, cause: Cause, drifting: set[str]) -> Fitting | None:
        """The past version that would fit better; of cohorts and the federation alone."""
        key = (cause.scope.kind, cause.scope.key)
        if key not in self._fits:
            self._fits[key] = recurring.fitting(
                self._session,
                self._judged.federation,
                self._latest,
                self._judged.reference,
                drifting,
                key,
            )
        return self._fits[key]

    @cached_property
    def _latest(self) -> list[Round]:
        ids = [one.round_id for one in self._judged.cases[0].latest]
        return rounds.with_ids(self._session, self._judged.federation.id, ids)


def _evidence(finding: Finding) -> Evidence:
    return Evidence(
        detector=finding.detector,
        effect=finding.effect,
        effect_unit=finding.effect_unit,
        threshold=finding.threshold,
        p_value=finding.p_value,
        q_value=finding.q_value,
        minimum_detectable_effect=finding.minimum_detectable_effect,
        clients_moved=finding.explanation.get("clients_moved"),
        clients_judged=finding.explanation.get("clients_judged"),
    )
