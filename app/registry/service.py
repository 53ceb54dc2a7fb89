"""The registry's decisions: versions, their comparison, and promotions (each in its own file)."""

from app.registry.canary import comparison
from app.registry.looks import keep_look
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
    "comparison",
    "draft_promotion",
    "ensure_model",
    "get_promotion",
    "keep_look",
    "model_named",
    "model_of",
    "models_of",
    "promotion_with_id",
    "promotions_of",
    "register",
    "reject",
    "roll_back",
    "submit",
    "version_named",
    "versions_of",
]
