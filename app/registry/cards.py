"""Model cards in MLflow: the effect of the outbox task `registry.log_card`.

A card is an artifact of the MLflow run that its version came from. It is logged when MLflow gets
the version, and once a day while the version is champion or canary.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.federations import service as federations
from app.registry import repository
from app.registry.card import card_of_version
from app.registry.card_rendering import as_html, as_markdown
from app.registry.mirroring import LOG_CARD
from app.registry.mlflow_runs import MlflowRuns
from app.registry.training_runs import run_key
from app.registry.twins import registered_name
from app.registry.versions import CHECK_WEIGHTS


@dataclass(frozen=True)
class Card:
    """A card as it is to be logged: files by path, and the run that they belong to."""

    experiment: str
    key: str
    run: str
    started: datetime
    files: dict[str, str]


def prepare(session: Session, version_id: UUID) -> Card | None:
    """The card of a version as of now."""
    version = repository.version_with_id(session, version_id)
    if version is None:
        return None
    model = repository.model_with_id(session, version.model_id)
    federation = federations.get(session, version.federation_id)
    card = card_of_version(session, federation, model, version)
    folder = f"versions/{version.version}"
    return Card(
        experiment=registered_name(federation.name, model.name),
        key=run_key(federation, model.name, version.run),
        run=version.run,
        started=version.created_at,
        files={
            f"{folder}/model-card.md": as_markdown(card),
            f"{folder}/model-card.html": as_html(card),
        },
    )


def perform(store: MlflowRuns, card: Card) -> None:
    """Put the files in the place of those that were there."""
    run = store.ensure_run(card.experiment, card.key, card.run, card.started)
    for path, text in card.files.items():
        store.log_text(run, path, text)


def record(_session: Session, _version_id: UUID, _logged: None) -> None:
    """Nothing: MLflow holds the card."""


def refresh(session: Session) -> None:
    """Have the cards of every champion and canary logged, and their weights checked, once a day."""
    day = f"{clock.now():%Y-%m-%d}"
    for model in repository.all_models(session):
        names = [name for name in (model.champion, model.canary) if name is not None]
        for version in repository.versions_named(session, model, names):
            outbox.enqueue(session, LOG_CARD, version.id, step=day)
            if version.artifact_uri is not None:
                outbox.enqueue(session, CHECK_WEIGHTS, version.id, step=day)
