"""Should cohorts have champions of their own? Splits and merges, proposed from the evidence.

A split needs both: clients that have lived in different worlds for a while, along the cohorts of
one tag (`detectors.clients.clusters`), and a version that is better in one of those cohorts beyond
chance. A merge needs that the model's champion is not worse in a cohort than the cohort's own.
Whether it is done is decided by a promotion like any other.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.federations import service as federations
from app.federations.policy import CanaryPolicy
from app.federations.tables import Federation
from app.registry import evidence
from app.registry.canary import least_records, paired_rounds
from app.registry.cohort_champions import own_champions
from app.registry.evidence_schemas import (
    ClustersOut,
    CohortCluster,
    CohortComparison,
    CohortProposal,
    CohortProposalsOut,
)
from app.registry.pairing import cohorts_of
from app.registry.versions import model_named, versions_of
from app.rounds import disclosure
from app.rounds import service as rounds
from app.rounds.reports import ClientReport
from app.rounds.tables import Round
from detectors.clients.clusters import ClientClusters, cluster_clients
from detectors.multiplicity.within_round import e_benjamini_hochberg

NEWEST = 12  # rounds that clusters are made of
LASTING = 3  # rounds in a row that clients have to stay in theirs
LASTING_SHARE, PURITY = 0.9, 0.8  # of clients that stay; of a cohort's that are in one cluster
MOST_CLIENTS = 2_000  # beyond, the clusters are those of so many clients drawn by pseudonym


@dataclass(frozen=True)
class Worlds:
    """Which cluster each client was in, round by round, (T, K), and its cohorts."""

    clusters: ClientClusters
    cohorts: Sequence[Mapping[str, str]]

    @property
    def lasting_share(self) -> float:
        """The share of clients that stayed in one cluster over the last rounds."""
        labels = self.clusters.labels[-LASTING:]
        if len(labels) < LASTING:
            return 0.0
        return float((labels == labels[-1]).all(axis=0).mean())

    @property
    def lasting_rounds(self) -> int:
        """How many of the newest rounds found that share of clients where they are now."""
        stayed = (self.clusters.labels == self.clusters.labels[-1]).mean(axis=1) >= LASTING_SHARE
        return len(stayed) if stayed.all() else int(np.argmin(stayed[::-1]))


def cohort_proposals(
    session: Session, federation: Federation, model_name: str
) -> CohortProposalsOut:
    """What the evidence speaks for: cohorts to split off, and cohorts to merge again.

    Raises:
        NotFoundError: if the federation has no such model.
    """
    model = model_named(session, federation.id, model_name)
    if model.champion is None:
        return CohortProposalsOut(clusters=None, proposals=[])
    measured = rounds.measuring(session, federation.id, model_name, model.champion)
    own = [one for one in measured if one.version == model.champion][-NEWEST:]
    worlds = _worlds(own, rounds.reports_of(session, [one.id for one in own]))
    least = least_records(federation, own)
    shown = None if worlds is None else _shown(worlds, least)
    crowned = own_champions(session, model)
    apart = _apart(shown, crowned) if shown is not None else set()
    return CohortProposalsOut(
        clusters=shown,
        proposals=[
            *_splits(session, federation, model_name, model.champion, apart),
            *_merges(session, federation, model_name, model.champion, crowned),
        ],
    )


def _worlds(own: Sequence[Round], reports: Sequence[ClientReport]) -> Worlds | None:
    """Clusters of clients by how the champion errs among what it predicts."""
    cells = {
        (report.client, report.round_id): np.asarray(report.record["confusion"], dtype=np.float64)
        for report in reports
        if report.status == "ok" and report.record.get("confusion") is not None
    }
    if not cells or len({table.shape for table in cells.values()}) != 1:
        return None
    clients = sorted({client for client, _ in cells})[:MOST_CLIENTS]
    tags = {report.client: report.cohorts for report in reports}
    classes = next(iter(cells.values())).shape[0]
    tables = np.zeros((len(own), len(clients), classes, classes))
    for t, round_ in enumerate(own):
        for k, client in enumerate(clients):
            if (client, round_.id) in cells:
                tables[t, k] = cells[client, round_.id].clip(min=0)
    predicted = tables.sum(axis=2)
    right = np.diagonal(tables, axis1=2, axis2=3)
    if not predicted.any():
        return None
    found = cluster_clients(predicted - right, predicted)
    return Worlds(found, [tags[client] for client in clients])


def _shown(worlds: Worlds, least: int) -> ClustersOut:
    """The clusters by cohorts that may be shown, never by client."""
    names = [str(at) for at in range(len(worlds.cohorts))]
    groups = disclosure.scopes_of(dict(zip(names, worlds.cohorts, strict=True)))
    allowed = sorted(key for scope, key in disclosure.shown(groups, least) if scope == "cohort")
    last = worlds.clusters.labels[-1]
    return ClustersOut(
        clusters=worlds.clusters.clusters,
        rounds=len(worlds.clusters.labels),
        lasting_share=min(disclosure.coarsened(worlds.lasting_share, len(names), least), 1.0),
        lasting_rounds=worlds.lasting_rounds,
        cohorts=[_cohort(key, last[_members(groups, key)], least) for key in allowed],
    )


def _members(groups: Mapping[disclosure.Scope, Collection[str]], cohort: str) -> list[int]:
    return sorted(map(int, groups["cohort", cohort]))


def _cohort(name: str, labels: NDArray[np.intp], least: int) -> CohortCluster:
    (cluster, count), *_ = Counter(labels.tolist()).most_common(1)
    purity = disclosure.coarsened(count / len(labels), len(labels), least)
    return CohortCluster(cohort=name, clients=len(labels), cluster=cluster, purity=min(purity, 1.0))


def _apart(shown: ClustersOut, crowned: Collection[str]) -> set[str]:
    """The cohorts of tags along which clients have lived in different worlds for a while.

    Cohorts that are split off already are none of them, nor are those of another tag than theirs.
    """
    if shown.clusters < 2 or shown.lasting_share < LASTING_SHARE:  # noqa: PLR2004 - two worlds
        return set()
    apart: set[str] = set()
    used = {cohort.partition("=")[0] for cohort in crowned}
    for tag in used or {one.cohort.partition("=")[0] for one in shown.cohorts}:
        mine = [one for one in shown.cohorts if one.cohort.startswith(f"{tag}=")]
        if len({one.cluster for one in mine}) > 1 and min(one.purity for one in mine) >= PURITY:
            apart |= {one.cohort for one in mine}
    return apart - set(crowned)


def _splits(
    session: Session, federation: Federation, model: str, champion: str, apart: Collection[str]
) -> list[CohortProposal]:
    """The best other version of each cohort that lives apart, where one is better for sure."""
    policy = federations.policy_of(federation).canary
    names = [one.version for one in versions_of(session, federation.id, model)] if apart else []
    candidates = [
        proposal
        for version in names
        if version != champion
        for proposal in _beside(session, federation, model, champion, version, apart)
    ]
    values = [one.e_value for one in candidates]
    chosen: Sequence[bool] = (
        e_benjamini_hochberg(values, 1 - policy.confidence).tolist() if values else []
    )
    best: dict[str, CohortProposal] = {}
    for proposal, proven in zip(candidates, chosen, strict=True):
        known = best.get(proposal.cohort)
        if proven and (known is None or proposal.gain > known.gain):
            best[proposal.cohort] = proposal
    return [best[cohort] for cohort in sorted(best)]


def _beside(
    session: Session,
    federation: Federation,
    model: str,
    champion: str,
    version: str,
    apart: Collection[str],
) -> list[CohortProposal]:
    """What a version would gain in each of the cohorts, by the canary rounds of the two."""
    found, least = paired_rounds(session, federation, model, champion, version)
    policy = federations.policy_of(federation).canary
    names = sorted(set(cohorts_of(found, least)) & set(apart))
    return [
        _proposal("split", one, champion, version, len(found.rounds))
        for one in evidence.cohorts(found, names, policy)
        if one.difference is not None
    ]


def _merges(
    session: Session, federation: Federation, model: str, champion: str, own: Mapping[str, str]
) -> list[CohortProposal]:
    """The cohorts in which the model's champion is no worse than their own."""
    policy = federations.policy_of(federation).canary
    return [
        proposal
        for cohort, version in own.items()
        if version != champion
        for proposal in _converged(session, federation, model, cohort, version, champion, policy)
    ]


def _converged(
    session: Session,
    federation: Federation,
    model: str,
    cohort: str,
    version: str,
    champion: str,
    policy: CanaryPolicy,
) -> list[CohortProposal]:
    found, least = paired_rounds(session, federation, model, version, champion)
    if cohort not in cohorts_of(found, least) or len(found.rounds) < policy.min_rounds:
        return []
    (one,) = evidence.cohorts(found, [cohort], policy)
    if one.difference is None or one.difference.upper >= policy.non_inferiority_margin:
        return []
    return [_proposal("merge", one, version, champion, len(found.rounds))]


def _proposal(
    kind: str, one: CohortComparison, champion: str, candidate: str, rounds_seen: int
) -> CohortProposal:
    seen = one.difference
    assert seen is not None  # who asks has looked
    return CohortProposal.model_validate(
        {
            "kind": kind,
            "cohort": one.cohort,
            "champion": champion,
            "candidate": candidate,
            "clients": one.clients,
            "rounds": rounds_seen,
            "gain": -seen.log_loss + 0.0,
            "lower": -seen.upper + 0.0,
            "upper": -seen.lower + 0.0,
            "e_value": seen.e_superior if kind == "split" else seen.e_non_inferior,
        }
    )
