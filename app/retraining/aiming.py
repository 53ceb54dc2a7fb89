"""Whom a request wants to train: everybody, those that drifted alone, or all with those weighted.

Those that drifted are the incident's cohort, or the cluster of clients that the drift of the whole
federation is traced to. A single client is never singled out, nor is a group that may not be shown.
"""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app.drift import service as drift
from app.drift.service import Carriers
from app.federations import service as federations
from app.federations.policy.retraining import MOST_WEIGHT
from app.federations.tables import Federation
from app.retraining.deciding import RetrainAsk

# Pseudonyms are keyed hashes, so the first of them are an even sample of a larger cluster.
MOST_TRAINEES = 10_000
BY_SHARE = "by_share"
DIGITS = 2


@dataclass(frozen=True)
class Aim:
    """Whom to train; one of `cohort` and `cluster` where those that drifted are singled out.

    `weight` is how many times each of those counts where all train, and None where they do not.
    """

    which: str = "all"
    cohort: str | None = None
    cluster: Carriers | None = None
    weight: float | None = None

    @property
    def alone(self) -> bool:
        """Whether those that drifted train alone."""
        return self.which == "drifted"

    @property
    def trainees(self) -> tuple[str, ...]:
        """The pseudonyms of a cluster, for the FL server alone."""
        return () if self.cluster is None else self.cluster.clients[:MOST_TRAINEES]

    def document(self) -> dict[str, Any]:
        """As everybody who reads the request may know it."""
        told: dict[str, Any] = {"which": self.which}
        if self.cohort is not None:
            told["cohort"] = self.cohort
        if self.cluster is not None:
            told["cluster"] = {
                "clients": len(self.trainees),
                "share": round(self.cluster.share, DIGITS),
                "cohorts": list(self.cluster.cohorts),
            }
        return told if self.weight is None else told | {"weight": self.weight}


EVERYBODY = Aim()


def aim_of(session: Session, federation: Federation, ask: RetrainAsk) -> Aim:
    """Whom an ask is aimed at, by the federation's policy and what carries the drift."""
    policy = federations.policy_of(federation).retraining
    which, weight = policy.clients, policy.drifted_weight
    cohort = ask.scope_key if ask.scope == "cohort" else None
    if which == "all" or ask.scope == "client" or not (cohort or ask.subject):
        return EVERYBODY
    by_share = which == "weighted" and weight == BY_SHARE
    found = None
    if ask.subject and (cohort is None or by_share):
        found = drift.carriers(session, federation, ask.model, ask.subject, cohort)
    if cohort is None and found is None:
        return EVERYBODY
    return Aim(
        which,
        cohort,
        found if cohort is None else None,
        _weight(weight, found) if which == "weighted" else None,
    )


def _weight(weight: float | str, found: Carriers | None) -> float:
    """A fixed weight, or by shares; where those are not known everybody counts the same."""
    if not isinstance(weight, str):
        return weight
    return 1.0 if found is None else round(min(max(found.times, 1.0), MOST_WEIGHT), DIGITS)
