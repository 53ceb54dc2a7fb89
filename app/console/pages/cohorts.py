"""A model's page of cohorts: who is served by what, and what splits and merges are proposed."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup
from sqlmodel import Session

from app.console.plots import Interval, forest
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.evidence_schemas import CohortProposalsOut
from app.registry.tables import Model


@dataclass(frozen=True)
class CohortsPage:
    """All that the page shows."""

    federation: Federation
    model: Model
    champions: Mapping[str, str]  # of the cohorts that have their own
    found: CohortProposalsOut
    forest: Markup  # what each proposal's cohort would gain
    open_promotion: bool  # one at a time: nothing else can be drafted


def cohorts_page(session: Session, federation: Federation, name: str) -> CohortsPage:
    """Gather the page.

    Raises:
        NotFoundError: if the federation has no such model.
    """
    model = registry.model_named(session, federation.id, name)
    found = registry.cohort_proposals(session, federation, name)
    return CohortsPage(
        federation=federation,
        model=model,
        champions=registry.own_champions(session, model),
        found=found,
        forest=_forest(found),
        open_promotion=registry.open_promotion(session, model) is not None,
    )


def _forest(found: CohortProposalsOut) -> Markup:
    return forest(
        "What each cohort would gain",
        "nats per example",
        [
            Interval(f"{one.kind} {one.cohort} ({one.clients})", one.gain, one.lower, one.upper)
            for one in found.proposals
        ],
    )
