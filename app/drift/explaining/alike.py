"""Which clients of a scope moved alike, and which cohorts that mostly are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.drift.explaining.movements import Movement
from app.drift.explaining.schemas import Cluster, Clusters
from app.rounds import disclosure
from detectors import cluster_movements

# Pseudonyms are keyed hashes, so the first of them are an even sample of all.
MOST_CLIENTS = 500
LEAST_CLIENTS = 3  # for anything to be alike
MOSTLY = 2 / 3  # of a cluster in a cohort, and of the cohort in the cluster
UNMOVED, NOT_JUDGED = 0, -1
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Alike:
    """The group of each client of a movement: 0 did not move, -1 was not looked at."""

    labels: NDArray[np.intp]


def alike(movement: Movement) -> Alike | None:
    """Group the clients of a movement; None where too few of them can be judged."""
    judged = np.flatnonzero(~np.isnan(movement.errors) & (movement.errors > 0))[:MOST_CLIENTS]
    if len(judged) < LEAST_CLIENTS:
        return None
    found = cluster_movements(movement.departures[judged], movement.errors[judged])
    labels = np.full(len(movement.clients), NOT_JUDGED)
    labels[judged] = found.labels
    return Alike(labels)


def clusters_of(
    movement: Movement, groups: Alike, cohorts: Mapping[str, set[str]], least: int
) -> Clusters:
    """What everybody may know of the groups.

    A group of fewer than `least` clients is only counted. Where those are together too few as
    well, what they did would follow from the others' figures: then all groups are only counted.
    `cohorts` are those that may be shown and that describe anything here.
    """
    labels = groups.labels
    told = [
        cluster_of(movement, labels == label, cohorts, least)
        for label in shown_groups(groups, least)
    ]
    return Clusters(
        looked_at=int(np.count_nonzero(labels != NOT_JUDGED)),
        unmoved=int(np.count_nonzero(labels == UNMOVED)),
        in_small_groups=int(np.count_nonzero(labels > UNMOVED)) - sum(one.clients for one in told),
        moved=sorted(told, key=lambda one: -abs(one.share)),
    )


def shown_groups(groups: Alike, least: int) -> list[int]:
    """The groups that moved and may be told apart."""
    labels = groups.labels
    moved = [label for label in np.unique(labels).tolist() if label > UNMOVED]
    sizes = {label: int(np.count_nonzero(labels == label)) for label in moved}
    small = sum(size for size in sizes.values() if size < least)
    return [] if 0 < small < least else [label for label in moved if sizes[label] >= least]


def cluster_of(
    movement: Movement, inside: NDArray[np.bool_], cohorts: Mapping[str, set[str]], least: int
) -> Cluster:
    """What everybody may know of one group."""
    clients, weights = int(np.count_nonzero(inside)), movement.weights[inside]
    mean = float((weights * movement.departures[inside]).sum() / weights.sum())
    members = {client.decode() for client in movement.clients[inside]}
    everybody = len(movement.clients)
    return Cluster(
        clients=clients,
        movement=disclosure.coarsened(mean, clients, least),
        share=round(
            disclosure.coarsened(float(movement.shares[inside].sum()), everybody, least), DIGITS
        ),
        cohorts=list(_described(members, cohorts, least)) if clients < everybody else [],
    )


def _described(members: set[str], cohorts: Mapping[str, set[str]], least: int) -> Iterator[str]:
    for cohort, inside in sorted(cohorts.items()):
        both = len(members & inside)
        if both >= max(least, MOSTLY * len(members), MOSTLY * len(inside)):
            yield cohort
