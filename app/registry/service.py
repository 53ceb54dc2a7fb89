"""The registry's decisions: versions, their comparison, and promotions (each in its own file)."""

from app.registry.canary import comparison
from app.registry.card import card_of
from app.registry.inventory import (
    criticality_of,
    describe,
    inventory_of,
    inventory_of_model,
    overdue_entry,
    remind,
    review,
)
from app.registry.lineage import lineage_of
from app.registry.promotions import (
    approve,
    draft_promotion,
    get_promotion,
    model_of,
    promotion_with_id,
    promotions_of,
    reject,
    roll_back,
    submit,
)
from app.registry.reconciling import deviation_with_id, deviations_of, repair
from app.registry.versions import (
    ensure_model,
    model_named,
    models_of,
    register,
    version_named,
    versions_of,
)

__all__ = [
    "approve",
    "card_of",
    "comparison",
    "criticality_of",
    "describe",
    "deviation_with_id",
    "deviations_of",
    "draft_promotion",
    "ensure_model",
    "get_promotion",
    "inventory_of",
    "inventory_of_model",
    "lineage_of",
    "model_named",
    "model_of",
    "models_of",
    "overdue_entry",
    "promotion_with_id",
    "promotions_of",
    "register",
    "reject",
    "remind",
    "repair",
    "review",
    "roll_back",
    "submit",
    "version_named",
    "versions_of",
]
