"""A federation's page: its models with how far they moved, and everything that happened lately."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import Figure, Line, Mark, line_chart
from app.console.rendering import words
from app.drift import service as drift
from app.drift.tables import Verdict
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

PLOTTED = {"log_loss": "Log loss", "error_rate": "Error rate"}
ROUNDS_PLOTTED, ROUNDS_LISTED, VERSIONS_LISTED, NEWEST = 120, 12, 8, 10

# The verdicts of the whole federation on what is plotted, by subject, oldest first.
Series = Mapping[str, Sequence[Verdict]]


@dataclass(frozen=True)
class ModelPart:
    """A model with its plots and versions."""

    model: Model
    plots: Sequence[Figure]
    versions: Sequence[ModelVersion]


@dataclass(frozen=True)
class RoundLine:
    """A round, and the verdicts on each subject of PLOTTED; None where it was not judged."""

    round: Round
    verdicts: Sequence[Verdict | None]


@dataclass(frozen=True)
class FederationPage:
    """All that the page shows."""

    federation: Federation
    models: Sequence[ModelPart]
    incidents: Sequence[Incident]
    judged: Sequence[str]  # the headings of each round's verdicts
    rounds: Sequence[RoundLine]
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
    requests = retraining.list_of(session, federation.id)
    models = registry.models_of(session, federation.id)
    series = {model.name: _series(session, federation, model) for model in models}
    marks = [
        *_incident_marks(shown),
        *_request_marks(requests),
        *_promotion_marks(session, federation, promotions),
    ]
    return FederationPage(
        federation=federation,
        models=[
            ModelPart(
                model=model,
                plots=_plots(series[model.name], [m for name, m in marks if name == model.name]),
                versions=registry.versions_of(session, federation.id, model.name)[::-1][
                    :VERSIONS_LISTED
                ],
            )
            for model in models
        ],
        incidents=shown[:NEWEST],
        judged=[_heading(subject, series.values()) for subject in PLOTTED],
        rounds=_newest_measured(session, federation, series.values()),
        requests=requests[:NEWEST],
        promotions=promotions[:NEWEST],
        refusals=rounds.refusal_counts(session, federation.id),
    )


def _heading(subject: str, series: Collection[Series]) -> str:
    """A subject's name with its unit, once a verdict has said it."""
    units = {verdict.effect_unit for of_model in series for verdict in of_model[subject]}
    return f"{PLOTTED[subject]} ({', '.join(sorted(units))})" if units else PLOTTED[subject]


def _newest_measured(
    session: Session, federation: Federation, series: Collection[Series]
) -> list[RoundLine]:
    """The newest rounds that say how a version does; those of training would bury them."""
    newest = rounds.recent(session, federation.id, limit=20 * ROUNDS_LISTED)
    measured = [round_ for round_ in newest if round_.phase != Phase.FIT][:ROUNDS_LISTED]
    found = {
        (verdict.round_id, subject): verdict
        for of_model in series
        for subject, verdicts in of_model.items()
        for verdict in verdicts
    }
    return [
        RoundLine(round_, [found.get((round_.id, subject)) for subject in PLOTTED])
        for round_ in measured
    ]


def _series(session: Session, federation: Federation, model: Model) -> Series:
    return {
        subject: [
            verdict
            for verdict in drift.series(
                session, federation.id, model.name, subject, "federation", 3 * ROUNDS_PLOTTED
            )
            if verdict.detector == "median-shift"
        ][-ROUNDS_PLOTTED:]
        for subject in PLOTTED
    }


def _plots(series: Series, marks: Sequence[Mark]) -> list[Figure]:
    plots = (_plot(PLOTTED[subject], verdicts, marks) for subject, verdicts in series.items())
    return [plot for plot in plots if plot is not None]


def _plot(title: str, verdicts: Sequence[Verdict], marks: Sequence[Mark]) -> Figure | None:
    """How far a subject's median has moved from the reference of each round's version."""
    measured = [verdict for verdict in verdicts if verdict.effect is not None]
    if not measured:
        return None
    newest = measured[-1]
    line = Line(
        title=f"{title}: change of the median of the newest rounds from the reference",
        unit=newest.effect_unit,
        points=[(verdict.global_step, verdict.effect or 0.0) for verdict in measured],
        band=newest.threshold,
        marks=[mark for mark in marks if mark.step >= measured[0].global_step],
    )
    return Figure(
        svg=line_chart(line),
        caption=f"{title}: how far the newest rounds' median moved from the reference, by step."
        f" Band: less than matters in practice ({newest.threshold:g} {newest.effect_unit}).",
        columns=("Step", "Version", f"Change ({newest.effect_unit})", "Outcome"),
        rows=[
            (str(v.global_step), v.version, f"{v.effect:+.3g}", words(v.outcome))
            for v in reversed(measured)
        ],
    )


def _incident_marks(shown: Sequence[Incident]) -> Iterator[tuple[str, Mark]]:
    for incident in shown:
        step = incident.opened_step
        yield incident.model, Mark(step, "incident", f"incident at step {step}")


def _request_marks(requests: Sequence[RetrainRequest]) -> Iterator[tuple[str, Mark]]:
    for request in requests:
        step = request.requested_step
        yield request.model, Mark(step, "retraining", f"retraining asked for at step {step}")


def _promotion_marks(
    session: Session, federation: Federation, promotions: Sequence[tuple[str, Promotion]]
) -> Iterator[tuple[str, Mark]]:
    """A promotion's step is that of the newest round that compared its versions."""
    for model, promotion in promotions:
        compared = promotion.applied_at and rounds.canary_rounds(
            session, federation.id, model, promotion.champion, promotion.candidate
        )
        if compared:
            step = compared[-1].global_step
            label = f"version {promotion.candidate} became champion after step {step}"
            yield model, Mark(step, "promotion", label)
