"""Who carries a drift, by pseudonym: whom retraining may be aimed at.

It goes to FL servers alone, which know their clients under these names.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.drift import cases, linking, perspectives
from app.drift import repository as drift
from app.drift.explaining import repository
from app.drift.explaining.alike import NOT_JUDGED, Alike, alike, cluster_of, shown_groups
from app.drift.explaining.carrying import shown_cohorts, tags_lately
from app.drift.explaining.movements import Movement, Movements
from app.drift.findings import Case
from app.drift.measurements import Mask
from app.federations.tables import Federation
from app.rounds import disclosure
from app.rounds import service as rounds

LEAST_SHARE = 0.5  # of a drift, for it to be traced to a cluster


@dataclass(frozen=True)
class Carriers:
    """A cohort's clients, or a cluster that moved alike, as far as they told the subject.

    `share` of the federation's drift and `examples`, their share of the reference's examples, are
    rounded as what is shown; `cohorts` are those that a cluster mostly is.
    """

    clients: tuple[str, ...]
    share: float
    examples: float
    cohorts: tuple[str, ...] = ()

    @property
    def times(self) -> float:
        """How many times their share of the examples their share of the drift is."""
        return self.share / self.examples


def carriers(
    session: Session, federation: Federation, model: str, subject: str, cohort: str | None = None
) -> Carriers | None:
    """A cohort's part, or (None) the cluster that the drift of a subject is traced to.

    As of the model's newest judged round. None where the records are sums over clients, where the
    subject is not judged, or where no group that may be shown, short of everybody, carries at least
    half of the drift; and of a cohort that may not be shown.
    """
    case = _newest_case(session, federation, model)
    if case is None or case.current.stands_for > 1:
        return None
    if subject not in case.rates and subject not in case.histograms:
        return None
    movement = Movements(case).of(case.scopes[0], subject)
    if movement is None or np.isnan(movement.shares).any():
        return None
    cohorts = shown_cohorts(movement, tags_lately(case), case.min_cohort_size)
    if cohort is None:
        return _cluster(movement, cohorts, case.min_cohort_size)
    inside = np.isin(movement.clients, [client.encode() for client in cohorts.get(cohort, ())])
    return _carriers(movement, inside, case.min_cohort_size) if inside.any() else None


def _newest_case(session: Session, federation: Federation, model: str) -> Case | None:
    """The case that the model's newest round was judged and explained by."""
    evaluation = repository.newest_evaluation(session, federation.id, model)
    if evaluation is None:
        return None
    round_ = rounds.get(session, federation.id, evaluation.round_id)
    reference = drift.reference_with_id(session, evaluation.reference_id)
    case = cases.build(session, federation, round_, reference)
    own = linking.resume(session, federation, case, round_, reference)
    return perspectives.standing(session, federation, round_, own)


def _cluster(movement: Movement, cohorts: Mapping[str, set[str]], least: int) -> Carriers | None:
    groups = alike(movement)
    shown = [] if groups is None else shown_groups(groups, least)
    if groups is None or not shown:
        return None
    parts = {label: float(movement.shares[groups.labels == label].sum()) for label in shown}
    label = max(shown, key=lambda one: (parts[one], -one))
    inside = _nearest(movement, groups) == label
    told = cluster_of(movement, groups.labels == label, cohorts, least)
    found = _carriers(movement, inside, least, tuple(told.cohorts))
    return None if inside.all() or found.share < LEAST_SHARE else found


def _nearest(movement: Movement, groups: Alike) -> NDArray[np.intp]:
    """The groups of all clients: those that were not looked at are in the nearest."""
    labels, errors = groups.labels.copy(), movement.errors
    rest = (labels == NOT_JUDGED) & (errors > 0)
    means = [0.0]
    for label in range(1, int(labels.max()) + 1):
        mine = labels == label
        means.append(float(np.average(movement.departures[mine], weights=errors[mine] ** -2.0)))
    apart = np.abs(movement.departures[rest, np.newaxis] - np.array(means))
    labels[rest] = apart.argmin(axis=1)
    return labels


def _carriers(
    movement: Movement, inside: Mask, least: int, cohorts: tuple[str, ...] = ()
) -> Carriers:
    everybody = len(movement.clients)
    step = disclosure.step_of(everybody, least)
    share, examples = (
        disclosure.coarsened(float(part[inside].sum()), everybody, least)
        for part in (movement.shares, movement.weights)
    )
    clients = tuple(sorted(client.decode() for client in movement.clients[inside]))
    return Carriers(clients, share, max(examples, step), cohorts)
