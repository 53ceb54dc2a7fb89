"""A model card as Markdown and as HTML, with everything that people or clients wrote escaped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.registry.card import CardOut, Level
from app.registry.wording import WORDS

UNKNOWN = "not known"
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&:@])")
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Section:
    """A heading with named lines."""

    heading: str
    lines: list[tuple[str, str]]


def as_html(card: CardOut) -> str:
    """A page of its own, without scripts or anything from elsewhere."""
    return _TEMPLATES.get_template("card.html").render(
        title=_title(card), sections=list(_sections(card)), limits=card.limits
    )


def as_markdown(card: CardOut) -> str:
    """CommonMark with tables."""
    lines = [f"# {_escaped(_title(card))}", ""]
    for section in _sections(card):
        lines += [f"## {section.heading}", "", "| | |", "|---|---|"]
        lines += [f"| {_escaped(name)} | {_escaped(text)} |" for name, text in section.lines]
        lines.append("")
    lines += ["## Limits", "", *(f"- {_escaped(limit)}" for limit in card.limits), ""]
    return "\n".join(lines)


def _title(card: CardOut) -> str:
    return f"{card.federation}: {card.model}, version {card.version}"


def _escaped(text: str) -> str:
    """Text that stays text in Markdown, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _sections(card: CardOut) -> Iterator[Section]:
    yield Section("Model", list(_model(card)))
    yield Section("Where it comes from", list(_lineage(card)))
    yield Section("How well it does", list(_levels(card)))
    yield Section("Drift", list(_drift(card)))
    yield Section("Canary and decisions", list(_decisions(card)))


def _model(card: CardOut) -> Iterator[tuple[str, str]]:
    entry = card.inventory
    yield "As of", _moment(card.as_of)
    yield "Role", card.role
    yield "Purpose", entry.purpose or UNKNOWN
    yield "Data used", entry.data_used or UNKNOWN
    yield "Used by", entry.used_by or UNKNOWN
    yield "Owner", entry.owner or UNKNOWN
    yield "Developer", entry.developer or UNKNOWN
    yield "Validator", entry.validator or UNKNOWN
    yield "Criticality", _criticality(card)
    yield "Last review", _review(card)
    for document in entry.documentation:
        yield document.title, document.url


def _criticality(card: CardOut) -> str:
    entry = card.inventory
    if entry.criticality is None:
        return UNKNOWN
    return f"{entry.criticality} (materiality {entry.materiality:g} %, risk {entry.risk:g} %)"


def _review(card: CardOut) -> str:
    entry = card.inventory
    if entry.last_review_at is None:
        return "never"
    outcome = (entry.last_review_outcome or "").replace("_", " ")
    return f"{_moment(entry.last_review_at)} by {entry.last_review_by}: {outcome}"


def _lineage(card: CardOut) -> Iterator[tuple[str, str]]:
    told = card.lineage
    yield "Registered", f"{_moment(told.registered_at)} by {told.registered_by}"
    yield "Note", told.note or "none"
    yield "Parents", " from ".join(told.ancestors) or "none"
    yield "Run", f"{told.run}, {told.rounds} fit rounds, {told.participants} participants"
    yield "Strategy", f"{told.strategy or UNKNOWN}, configuration {told.config_sha256 or UNKNOWN}"
    yield "Privacy", _privacy(card)
    yield "Weights, SHA-256", told.weights_sha256
    yield "Retrain request", str(told.retrain_request or "none")
    yield "Incident", str(told.incident or "none")
    for reference in told.references:
        frozen = f"frozen {_moment(reference.frozen_at)} by {reference.frozen_by}"
        yield f"Reference {reference.number}", f"{len(reference.round_ids)} rounds, {frozen}"


def _privacy(card: CardOut) -> str:
    told = card.lineage.privacy
    secure = "under secure aggregation" if told.secure_aggregation else ""
    if told.epsilon is None:
        return secure or f"noise: {told.mechanism or 'none declared'}"
    spent = f"{told.mechanism} noise, epsilon {told.epsilon:.3g} at delta {told.delta:g}"
    return f"{spent} for a client that took part in every fit round"


def _levels(card: CardOut) -> Iterator[tuple[str, str]]:
    for level in card.levels:
        yield level.name.replace("_", " "), _interval(level)
    if not card.levels:
        yield "Error", "not measured yet"


def _interval(level: Level) -> str:
    over = f"over the {level.rounds} newest rounds, to step {level.last_step}"
    if level.lower is None or level.upper is None:
        return f"{level.mean:.4f} {level.unit}, {over}"
    interval = f"95% interval {level.lower:.4f} to {level.upper:.4f}"
    return f"{level.mean:.4f} {level.unit} ({interval}), {over}"


def _drift(card: CardOut) -> Iterator[tuple[str, str]]:
    yield "Rounds judged", f"{card.drift.judged}, of which {card.drift.drifting} drifted"
    for moved in card.drift.moved:
        name = f"{moved.subject}, {moved.scope}"
        yield name, f"drifted in {moved.rounds} rounds, last at step {moved.last_step}"


def _decisions(card: CardOut) -> Iterator[tuple[str, str]]:
    if card.canary is not None:
        recommended = card.canary.recommendation
        yield "Canary, recommended", f"{WORDS[recommended.action]}. {recommended.sentence}"
    for one in card.decisions:
        decided = f", decided by {one.decided_by}: {one.reason}" if one.decided_by else ""
        state = one.state.replace("_", " ")
        what = f"Version {one.candidate} for {one.champion}"
        yield what, f"{state}; submitted by {one.submitted_by}{decided}"
    if card.canary is None and not card.decisions:
        yield "Decisions", "none"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
