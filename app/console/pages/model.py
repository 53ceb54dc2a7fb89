"""A model's page: its versions and who serves whom, how it drifted, and what was done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import Figure
from app.console.rendering import words
from app.console.ribbon import Cell, ribbon
from app.drift import service as drift
from app.drift.tables import Verdict
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.incidents.tables import Incident
from app.registry import service as registry
from app.registry.errors import NoShadowError, NoVersionError
from app.registry.evidence_schemas import ShadowOut
from app.registry.inventory_schemas import InventoryOut
from app.registry.tables import Deviation, Model, ModelVersion, Promotion
from app.retraining import service as retraining
from app.retraining.tables import RetrainingOutcome, RetrainRequest

FOLLOWED = {
    "log_loss": "Log loss",
    "error_rate": "Error rate",
    "calibration": "Calibration",
    "score": "Score",
    "prediction": "Predictions",
}
GRAVEST = ("drift", "warning", "insufficient_evidence", "stable")
ROUNDS, DETECTORS, LISTED, READ = 60, 4, 12, 200


@dataclass(frozen=True)
class VersionLine:
    """A version, the aliases that it has now, and since when it has been champion."""

    version: ModelVersion
    aliases: Sequence[str]
    promotion: Promotion | None  # the newest that asked for it
    outcome: RetrainingOutcome | None  # of the retraining that made it


@dataclass(frozen=True)
class ModelPage:
    """All that the page shows."""

    federation: Federation
    model: Model
    versions: Sequence[VersionLine]
    ribbon: Figure | None
    incidents: Sequence[Incident]
    requests: Sequence[tuple[RetrainRequest, RetrainingOutcome | None]]
    shadow: ShadowOut | None
    rollback: Promotion | None  # open, back to the version before the champion
    open_promotion: bool
    champions: Mapping[str, str]  # of the cohorts that have their own
    deviations: Sequence[tuple[Deviation, str]]  # in MLflow, and what a repair does about each
    inventory: InventoryOut


def model_page(session: Session, visitor: Visitor, federation: Federation, name: str) -> ModelPage:
    """Gather the page.

    Raises:
        NotFoundError: if the federation has no such model.
    """
    model = registry.model_named(session, federation.id, name)
    found = registry.promotions_of(session, federation.id, READ)
    promotions = [one for one in found if one.model_id == model.id]
    opened = [one for one in promotions if one.state in {"draft", "awaiting_review", "approved"}]
    outcomes: dict[UUID | None, RetrainingOutcome] = {
        one.request_id: one for one in retraining.outcomes_of_model(session, federation.id, name)
    }
    requests = [
        one for one in retraining.list_of(session, federation.id, READ) if one.model == name
    ]
    return ModelPage(
        federation=federation,
        model=model,
        versions=_versions(session, federation, model, promotions, outcomes),
        ribbon=_ribbon(session, federation, name),
        incidents=_incidents(session, visitor, federation, name),
        requests=[(one, outcomes.get(one.id)) for one in requests[:LISTED]],
        shadow=_shadow(session, federation, name),
        rollback=next((one for one in opened if one.kind == "rollback"), None),
        open_promotion=bool(opened),
        champions=registry.own_champions(session, model),
        deviations=[(one, registry.mending(one)) for one in registry.deviating(session, model)],
        inventory=registry.inventory_of_model(session, federation.id, name),
    )


def _versions(
    session: Session,
    federation: Federation,
    model: Model,
    promotions: Sequence[Promotion],
    outcomes: Mapping[UUID | None, RetrainingOutcome],
) -> list[VersionLine]:
    """The newest versions first, each with the aliases that name it now."""
    aliases = _aliases(session, federation, model)
    newest: dict[str, Promotion] = {}
    for promotion in promotions:
        newest.setdefault(promotion.candidate, promotion)
    found = registry.versions_of(session, federation.id, model.name)
    return [
        VersionLine(
            one,
            [alias for alias, version in aliases.items() if version == one.version],
            newest.get(one.version),
            outcomes.get(one.retrain_request_id),
        )
        for one in reversed(found)
    ][:LISTED]


def _aliases(session: Session, federation: Federation, model: Model) -> dict[str, str]:
    try:
        aliases = dict(registry.serving(session, federation, model.name, []).champions)
    except NoVersionError:
        return {}
    return aliases | ({"canary": model.canary} if model.canary else {})


def _shadow(session: Session, federation: Federation, name: str) -> ShadowOut | None:
    try:
        return registry.shadow(session, federation, name)
    except NoShadowError:
        return None


def _incidents(
    session: Session, visitor: Visitor, federation: Federation, name: str
) -> list[Incident]:
    sees_clients = visitor.principal.may(Permission.READ_CLIENTS)
    return [
        one
        for one in incidents.list_of(session, federation.id, limit=READ)
        if one.model == name and (sees_clients or one.scope != "client")
    ][:LISTED]


def _ribbon(session: Session, federation: Federation, name: str) -> Figure | None:
    """The gravest verdict of each followed subject, over the newest judged rounds."""
    gravest: dict[tuple[str, int], Verdict] = {}
    for subject in FOLLOWED:
        for verdict in drift.series(
            session, federation.id, name, subject, "federation", DETECTORS * ROUNDS
        ):
            key = (subject, verdict.global_step)
            known = gravest.get(key)
            if known is None or _rank(verdict) < _rank(known):
                gravest[key] = verdict
    steps = sorted({step for _, step in gravest})[-ROUNDS:]
    told = [subject for subject in FOLLOWED if any(one == subject for one, _ in gravest)]
    if not steps:
        return None
    return _figure(told, steps, gravest)


def _rank(verdict: Verdict) -> int:
    return GRAVEST.index(verdict.outcome)


def _figure(
    subjects: Sequence[str], steps: Sequence[int], gravest: Mapping[tuple[str, int], Verdict]
) -> Figure:
    cells = [
        Cell(subjects.index(subject), steps.index(step), verdict.outcome, step)
        for (subject, step), verdict in gravest.items()
        if step in steps
    ]
    title = "The gravest verdict on the whole federation, by round"
    return Figure(
        svg=ribbon(title, [FOLLOWED[one] for one in subjects], steps, cells),
        caption=f"{title}. Tall: drift; half: warning; low: stable; lowest: too little evidence.",
        columns=("Step", *(FOLLOWED[one] for one in subjects)),
        rows=[
            (
                str(step),
                *(
                    words(gravest[one, step].outcome) if (one, step) in gravest else "not judged"
                    for one in subjects
                ),
            )
            for step in reversed(steps)
        ],
    )
