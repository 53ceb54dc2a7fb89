"""A promotion's page: the evidence as it was frozen, side by side, and the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import Interval, forest
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.tables import ModelVersion, Promotion


@dataclass(frozen=True)
class PromotionPage:
    """All that the page shows; `evidence` is what was frozen, or, before that, what there is."""

    federation: Federation
    model: str
    promotion: Promotion
    version: ModelVersion
    evidence: dict[str, Any]
    forest: Markup
    own_work: bool


def promotion_page(
    session: Session, visitor: Visitor, federation: Federation, promotion: Promotion
) -> PromotionPage:
    """Gather the page."""
    model = registry.model_of(session, promotion).name
    version = registry.version_named(session, federation.id, model, promotion.candidate)
    evidence = promotion.evidence or registry.comparison(
        session, federation, model, promotion.candidate
    ).model_dump(mode="json")
    return PromotionPage(
        federation=federation,
        model=model,
        promotion=promotion,
        version=version,
        evidence=evidence,
        forest=_forest(evidence),
        own_work=visitor.name in {promotion.submitted_by, version.registered_by},
    )


def _forest(evidence: dict[str, Any]) -> Markup:
    rows: Sequence[dict[str, Any]] = [{**evidence, "cohort": "all clients"}, *evidence["cohorts"]]
    return forest(
        "Log loss of the candidate less the champion's",
        "nats per example; left of zero the candidate is better",
        [
            Interval(
                f"{row['cohort']} ({row['clients']})",
                row["difference"]["log_loss"],
                row["difference"]["lower"],
                row["difference"]["upper"],
            )
            for row in rows
            if row["difference"] is not None
        ],
    )
