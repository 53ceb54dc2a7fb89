"""A federation's page: its models with how far they moved, and everything that happened lately."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import Line, Mark, line_chart
from app.drift import service as drift
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.incidents import service as incidents
from app.incidents.tables import Incident
from app.registry import service as registry
from app.registry.tables import Model, ModelVersion, Promotion
from app.retraining import service as retraining
from app.retraining.tables import RetrainRequest
from app.rounds import service as rounds
from app.rounds.schemas import Phase
from app.rounds.tables import Round

PLOTTED = {
    "log_loss": "Log loss against the reference",
    "error_rate": "Error rate against the reference",
}
ROUNDS_PLOTTED, ROUNDS_LISTED = 120, 12


@dataclass(frozen=True)
class ModelPart:
    """A model with its plots and versions."""

    model: Model
    plots: Sequence[Markup]
    versions: Sequence[ModelVersion]


@dataclass(frozen=True)
class FederationPage:
    """All that the page shows."""

    federation: Federation
    models: Sequence[ModelPart]
    incidents: Sequence[Incident]
    rounds: Sequence[Round]
    requests: Sequence[RetrainRequest]
    promotions: Sequence[tuple[str, Promotion]]
    refusals: dict[str, int]


def federation_page(session: Session, visitor: Visitor, federation: Federation) -> FederationPage:
    """Gather the page."""
    shown = [
        incident
        for incident in incidents.list_of(session, federation.id, limit=100)
        if incident.scope != "client" or visitor.principal.may(Permission.READ_CLIENTS)
    ]
    promotions = [
        (registry.model_of(session, promotion).name, promotion)
        for promotion in registry.promotions_of(session, federation.id)
    ]
    return FederationPage(
        federation=federation,
        models=[
            _model_part(session, federation, model, shown, promotions)
            for model in registry.models_of(session, federation.id)
        ],
        incidents=shown[:10],
        rounds=_newest_measured(session, federation),
        requests=retraining.list_of(session, federation.id, limit=10),
        promotions=promotions[:10],
        refusals=rounds.refusal_counts(session, federation.id),
    )


def _newest_measured(session: Session, federation: Federation) -> list[Round]:
    """The newest rounds that say how a version does; those of training would bury them."""
    newest = rounds.recent(session, federation.id, limit=20 * ROUNDS_LISTED)
    return [round_ for round_ in newest if round_.phase != Phase.FIT][:ROUNDS_LISTED]


def _model_part(
    session: Session,
    federation: Federation,
    model: Model,
    shown: Sequence[Incident],
    promotions: Sequence[tuple[str, Promotion]],
) -> ModelPart:
    marks = [
        Mark(incident.opened_step, "incident", f"incident at step {incident.opened_step}")
        for incident in shown
        if incident.model == model.name
    ]
    marks += [
        Mark(step, "promotion", f"version {promotion.candidate} became champion after step {step}")
        for name, promotion in promotions
        if name == model.name and promotion.applied_at is not None
        for step in _last_step_before(session, federation, model, promotion)
    ]
    return ModelPart(
        model=model,
        plots=[
            plot
            for subject, title in PLOTTED.items()
            if (plot := _plot(session, federation, model, subject, title, marks))
        ],
        versions=registry.versions_of(session, federation.id, model.name)[:8],
    )


def _plot(
    session: Session,
    federation: Federation,
    model: Model,
    subject: str,
    title: str,
    marks: Sequence[Mark],
) -> Markup:
    verdicts = [
        verdict
        for verdict in drift.series(
            session, federation.id, model.name, subject, "federation", 3 * ROUNDS_PLOTTED
        )
        if verdict.detector == "median-shift" and verdict.effect is not None
    ][-ROUNDS_PLOTTED:]
    points = [(verdict.global_step, verdict.effect or 0.0) for verdict in verdicts]
    if not points:
        return Markup("")
    first = points[0][0]
    return line_chart(
        Line(
            title=f"{title}: change of the median of the newest rounds",
            unit=verdicts[-1].effect_unit,
            points=points,
            band=verdicts[-1].threshold,
            marks=[mark for mark in marks if mark.step >= first],
        )
    )


def _last_step_before(
    session: Session, federation: Federation, model: Model, promotion: Promotion
) -> list[int]:
    """The step of the newest round when a promotion was applied; none if rounds came only later."""
    compared = rounds.canary_rounds(
        session, federation.id, model.name, promotion.champion, promotion.candidate
    )
    return [compared[-1].global_step] if compared else []
