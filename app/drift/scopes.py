"""Where a round is judged: the federation and its cohorts."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from app.drift.known import Known
from app.drift.measurements import Floats, Mask, RoundMeasure
from app.rounds import disclosure

ScopeKind = Literal["federation", "cohort", "client"]


@dataclass(frozen=True)
class Scope:
    """A group of known clients with the weight of each: its share of the reference's examples."""

    kind: ScopeKind
    key: str
    weights: Floats = field(compare=False)  # (known clients,); 0 for those outside

    @property
    def members(self) -> Mask:
        """Which known clients are in it."""
        return self.weights > 0


def scopes_of(known: Known, current: RoundMeasure, min_cohort_size: int) -> list[Scope]:
    """The federation, and each cohort of the round's known clients that may be shown."""
    places = known.places(current.clients)
    here = np.flatnonzero(places >= 0)
    least = disclosure.records_needed(min_cohort_size, current.stands_for)
    groups = disclosure.rows_of(current.tags, here)
    scopes = [Scope("federation", "", known.shares)]
    for kind, key in sorted(disclosure.shown(groups, least)):
        if kind == "cohort":
            tag, _, value = key.partition("=")
            inside = places[here[current.tags[tag][here] == value]]
            weights = np.zeros_like(known.shares)
            weights[inside] = known.shares[inside]
            scopes.append(Scope("cohort", key, weights))
    return scopes
