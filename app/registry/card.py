"""The model card of a version: all that is known of it in one place, as of now."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import sqrt
from uuid import UUID

import scipy.special
from pydantic import BaseModel, Field
from sqlmodel import Session

from app.core import clock
from app.drift import service as drift
from app.federations.tables import Federation
from app.registry import deviations, repository
from app.registry.canary import comparison
from app.registry.evidence_schemas import Comparison
from app.registry.inventory import inventory_of_model
from app.registry.inventory_schemas import InventoryOut
from app.registry.lineage import lineage_of
from app.registry.lineage_schemas import LineageOut
from app.registry.tables import Model, ModelVersion
from app.registry.training_runs import metrics_of
from app.registry.versions import model_named, version_named
from app.rounds import service as rounds
from app.rounds.tables import Round

NEWEST_ROUNDS, CONFIDENCE = 8, 0.95
MOST_JUDGED = 200
LEAST_FOR_AN_INTERVAL = 2
ARTIFACTS = {
    "none": "not kept here",
    "unverified": "somewhere that Vigie cannot read",
    "mismatch": "another than was registered",
}


class Level(BaseModel):
    """A mean over a version's newest rounds, with its interval; the round is the unit."""

    name: str
    unit: str
    mean: float
    lower: float | None
    upper: float | None
    rounds: int
    last_step: int


class Moved(BaseModel):
    """A subject that drifted, in how many of the judged rounds, and when last."""

    subject: str
    scope: str
    rounds: int
    last_step: int


class DriftHistory(BaseModel):
    """What was judged against the reference in force."""

    judged: int
    drifting: int = Field(description="Rounds with a drift of the federation or a cohort.")
    moved: list[Moved]


class Decision(BaseModel):
    """A promotion that this version asked for."""

    id: UUID
    candidate: str
    champion: str
    state: str
    submitted_by: str
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


class CardOut(BaseModel):
    """A model card; `limits` are what a reader has to know before relying on it."""

    federation: str
    model: str
    version: str
    role: str = Field(examples=["champion"])
    as_of: datetime
    inventory: InventoryOut
    lineage: LineageOut
    levels: list[Level]
    drift: DriftHistory
    canary: Comparison | None
    decisions: list[Decision]
    limits: list[str]


def card_of(session: Session, federation: Federation, model_name: str, version: str) -> CardOut:
    """The card of a version as of now.

    Raises:
        NotFoundError: if there is no such model or version.
    """
    found = version_named(session, federation.id, model_name, version)
    model = model_named(session, federation.id, model_name)
    return card_of_version(session, federation, model, found)


def card_of_version(
    session: Session, federation: Federation, model: Model, version: ModelVersion
) -> CardOut:
    """The card of a stored version."""
    inventory = inventory_of_model(session, federation.id, model.name)
    measured = rounds.measuring(session, federation.id, model.name, version.version)
    levels = list(_levels(session, version, measured[-NEWEST_ROUNDS:]))
    last_step = measured[-1].global_step if measured else 0
    judged = _drift(session, federation, model, version, last_step)
    is_canary = version.version == model.canary != model.champion
    return CardOut(
        federation=federation.name,
        model=model.name,
        version=version.version,
        role=_role(model, version.version),
        as_of=clock.now(),
        inventory=inventory,
        lineage=lineage_of(session, federation, model, version),
        levels=levels,
        drift=judged,
        canary=comparison(session, federation, model.name, version.version) if is_canary else None,
        decisions=list(_decisions(session, model, version)),
        limits=list(_limits(session, federation, model, version, inventory, levels, judged)),
    )


def _role(model: Model, version: str) -> str:
    if version == model.champion:
        return deviations.CHAMPION
    return deviations.CANARY if version == model.canary else "neither champion nor canary"


def _levels(session: Session, version: ModelVersion, newest: Sequence[Round]) -> Iterator[Level]:
    """Loss and error of the version itself over its newest measured rounds."""
    aggregates = rounds.aggregates_by_round(session, [round_.id for round_ in newest])
    for name, unit in (("log_loss", "nats per example"), ("error_rate", "share of examples")):
        values = []
        for round_ in newest:
            of = "candidate_" if round_.canary_version == version.version else ""
            told = metrics_of(round_, aggregates[round_.id])
            value = told.get(f"{round_.phase}/{of}{name}")
            if value is not None:
                values.append((round_.global_step, value))
        if values:
            yield _level(name, unit, values)


def _level(name: str, unit: str, values: Sequence[tuple[int, float]]) -> Level:
    """Mean and Student's interval of it; none of fewer than two rounds."""
    numbers = [value for _, value in values]
    count, mean = len(numbers), sum(numbers) / len(numbers)
    half = None
    if count >= LEAST_FOR_AN_INTERVAL:
        spread = sqrt(sum((value - mean) ** 2 for value in numbers) / (count - 1))
        half = float(scipy.special.stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * spread / sqrt(count)
    return Level(
        name=name,
        unit=unit,
        mean=mean,
        lower=None if half is None else mean - half,
        upper=None if half is None else mean + half,
        rounds=count,
        last_step=values[-1][0],
    )


def _drift(
    session: Session, federation: Federation, model: Model, version: ModelVersion, last_step: int
) -> DriftHistory:
    """Drifts of the federation and its cohorts; those of single clients are not for a card."""
    judged, drifted = drift.drifts_of(
        session, federation.id, model.name, version.version, last_step, MOST_JUDGED
    )
    steps: dict[tuple[str, str], set[int]] = {}
    for row in drifted:
        key = (row.subject, row.scope_key or "federation")
        steps.setdefault(key, set()).add(row.global_step)
    moved = [
        Moved(subject=subject, scope=scope, rounds=len(at), last_step=max(at))
        for (subject, scope), at in sorted(steps.items(), key=lambda item: -max(item[1]))
    ]
    return DriftHistory(judged=judged, drifting=len(set().union(*steps.values())), moved=moved)


def _decisions(session: Session, model: Model, version: ModelVersion) -> Iterator[Decision]:
    for promotion in repository.promotions_about(session, model, version.version):
        yield Decision.model_validate(promotion, from_attributes=True)


def _limits(
    session: Session,
    federation: Federation,
    model: Model,
    version: ModelVersion,
    inventory: InventoryOut,
    levels: Sequence[Level],
    judged: DriftHistory,
) -> Iterator[str]:
    """What a reader has to know before relying on the card."""
    yield (
        "Vigie sees no examples: all figures are of what clients told, in groups of"
        f" {federation.min_cohort_size} clients or more, and are rounded."
    )
    yield (
        "Intervals take rounds for independent of each other, and the clients that took part for"
        " those that the model serves."
    )
    if version.artifact_state != "verified":
        yield (
            f"The weights' file is {ARTIFACTS[version.artifact_state]}: that it holds what was"
            " registered is the FL server's word alone."
        )
    if not levels:
        yield "No round has measured this version yet; nothing is known of its error."
    if not judged.judged:
        yield "No round was judged against a reference yet; that no drift is listed says nothing."
    if not inventory.described:
        yield "Nobody has described this model in the inventory; its criticality is not known."
    elif inventory.last_review_at is None:
        yield "The model was never reviewed."
    if inventory.overdue:
        yield "The model's review is overdue."
    if inventory.fed_by:
        yield f"It takes the answers of {', '.join(inventory.fed_by)}: their errors reach it."
    if repository.open_deviations(session, model):
        yield "MLflow's registry is not as Vigie told it to be: see the model's deviations."
