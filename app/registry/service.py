"""The registry's decisions: versions, their comparison, and promotions (each in its own file)."""

from app.registry.approving import missing_of
from app.registry.canary import comparison, comparison_of
from app.registry.card import card_of
from app.registry.cohort_champions import own_champions
from app.registry.deciding import (
    approve,
    comment,
    comments_of,
    expire_due,
    reject,
    roll_back,
)
from app.registry.four_eyes import own_work
from app.registry.identity import same_person
from app.registry.integrity import faults_of
from app.registry.inventory import (
    criticality_of,
    describe,
    inventory_of,
    inventory_of_model,
    overdue_entry,
    remind,
    review,
)
from app.registry.judging import judgement
from app.registry.lineage import lineage_of
from app.registry.looks import keep_look
from app.registry.mending import mending
from app.registry.promotions import (
    approvals_of,
    draft_promotion,
    get_promotion,
    model_of,
    open_promotion,
    promotion_with_id,
    promotions_of,
    submit,
)
from app.registry.reconciling import deviating, deviation_with_id, deviations_of, repair
from app.registry.serving import serving
from app.registry.shadow import ask_for_watch, shadow
from app.registry.showing import shown
from app.registry.splitting import cohort_proposals
from app.registry.versions import (
    champion_before,
    ensure_model,
    model_named,
    model_with_id,
    models_of,
    register,
    version_named,
    version_with_id,
    versions_of,
)

__all__ = [
    "approvals_of",
    "approve",
    "ask_for_watch",
    "card_of",
    "champion_before",
    "cohort_proposals",
    "comment",
    "comments_of",
    "comparison",
    "comparison_of",
    "criticality_of",
    "describe",
    "deviating",
    "deviation_with_id",
    "deviations_of",
    "draft_promotion",
    "ensure_model",
    "expire_due",
    "faults_of",
    "get_promotion",
    "inventory_of",
    "inventory_of_model",
    "judgement",
    "keep_look",
    "lineage_of",
    "mending",
    "missing_of",
    "model_named",
    "model_of",
    "model_with_id",
    "models_of",
    "open_promotion",
    "overdue_entry",
    "own_champions",
    "own_work",
    "promotion_with_id",
    "promotions_of",
    "register",
    "reject",
    "remind",
    "repair",
    "review",
    "roll_back",
    "same_person",
    "serving",
    "shadow",
    "shown",
    "submit",
    "version_named",
    "version_with_id",
    "versions_of",
]
