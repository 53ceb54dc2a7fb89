"""A promotion's page: the evidence as it was frozen, side by side, and the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from markupsafe import Markup
from sqlmodel import Session

from app.console.access import Visitor
from app.console.plots import Figure, Interval, Look, forest, looks
from app.console.rendering import signed
from app.federations.roles import Permission
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.tables import (
    Model,
    ModelVersion,
    Promotion,
    PromotionApproval,
    PromotionComment,
)


class Turn(StrEnum):
    """What the visitor can do about the promotion, or why nothing."""

    NOT_SUBMITTED = "not_submitted"
    DECIDED = "decided"
    OWN_WORK = "own_work"
    NOT_A_VALIDATOR = "not_a_validator"
    APPROVED_ALREADY = "approved_already"
    SUBMIT = "submit"
    DECIDE = "decide"


@dataclass(frozen=True)
class Row:
    """Both versions on the examples of all clients, or of one cohort's."""

    name: str
    clients: int
    examples: int
    champion: dict[str, float]
    candidate: dict[str, float]
    difference: dict[str, float] | None


@dataclass(frozen=True)
class PromotionPage:
    """All that the page shows.

    `evidence` is what was frozen; before that, what there is now. It is None for a draft that was
    rejected, and for one whose champion has changed since.
    """

    federation: Federation
    model: str
    promotion: Promotion
    version: ModelVersion
    evidence: dict[str, Any] | None
    rows: Sequence[Row]
    forest: Markup
    history: Figure | None
    approvals: Sequence[PromotionApproval]
    missing: Sequence[str]  # the roles whose approvals are still asked for
    comments: Sequence[PromotionComment]
    turn: Turn
    own_work: str | None  # why it is not the visitor's to decide
    faults: Sequence[str]  # why the candidate is not what was registered, while that matters


def promotion_page(
    session: Session, visitor: Visitor, federation: Federation, promotion: Promotion
) -> PromotionPage:
    """Gather the page."""
    model = registry.model_of(session, promotion)
    version = registry.version_named(session, federation.id, model.name, promotion.candidate)
    evidence = promotion.evidence or _evidence_now(session, federation, model, promotion)
    rows = _rows(evidence) if evidence else []
    approvals = registry.approvals_of(session, promotion)
    waits = promotion.state == "awaiting_review"
    own_work = registry.own_work(session, model, promotion, visitor.name)
    undecided = promotion.state in {"draft", "awaiting_review", "approved"}
    return PromotionPage(
        federation=federation,
        model=model.name,
        promotion=promotion,
        version=version,
        evidence=evidence,
        rows=rows,
        forest=_forest(rows),
        history=_history(evidence) if evidence else None,
        approvals=approvals,
        missing=registry.missing_of(promotion, approvals) if waits else [],
        comments=registry.comments_of(session, federation, promotion.id),
        turn=_turn(visitor, promotion, own_work, approvals),
        own_work=own_work,
        faults=registry.faults_of(session, model, version) if undecided else [],
    )


def _evidence_now(
    session: Session, federation: Federation, model: Model, promotion: Promotion
) -> dict[str, Any] | None:
    changed = not promotion.cohort and model.champion != promotion.champion
    if promotion.state != "draft" or changed:
        return None
    found = registry.comparison(
        session, federation, model.name, promotion.candidate, promotion.cohort
    )
    return found.model_dump(mode="json")


def _turn(
    visitor: Visitor,
    promotion: Promotion,
    own_work: str | None,
    approvals: Sequence[PromotionApproval],
) -> Turn:
    me = visitor.name
    if promotion.state == "draft":
        mine = registry.same_person(me, promotion.submitted_by, promotion.submitted_by_id)
        submits = mine and visitor.may(Permission.SUBMIT_PROMOTIONS)
        return Turn.SUBMIT if submits else Turn.NOT_SUBMITTED
    if promotion.state != "awaiting_review":
        return Turn.DECIDED
    if own_work:
        return Turn.OWN_WORK
    if any(registry.same_person(me, one.actor, one.actor_id) for one in approvals):
        return Turn.APPROVED_ALREADY
    return Turn.DECIDE if visitor.may(Permission.DECIDE_PROMOTIONS) else Turn.NOT_A_VALIDATOR


def _rows(evidence: dict[str, Any]) -> list[Row]:
    measured = [{**evidence, "cohort": "All clients"}, *evidence["cohorts"]]
    return [
        Row(
            name=part["cohort"],
            clients=part["clients"],
            examples=part["examples"],
            champion=part["champion_measured"],
            candidate=part["candidate_measured"],
            difference=part["difference"],
        )
        for part in measured
        if part["champion_measured"] is not None
    ]


def _forest(rows: Sequence[Row]) -> Markup:
    return forest(
        "Log loss of the candidate less the champion's",
        "nats per example",
        [
            Interval(
                f"{row.name} ({row.clients})",
                row.difference["log_loss"],
                row.difference["lower"],
                row.difference["upper"],
            )
            for row in rows
            if row.difference is not None
        ],
    )


def _history(evidence: dict[str, Any]) -> Figure | None:
    """How the difference and its interval came about, round by round."""
    found = [Look(*(one[name] for name in Look.FIELDS)) for one in evidence.get("history", [])]
    difference = evidence["difference"]
    if not found or difference is None:
        return None
    title = "The sequential test, round by round"
    return Figure(
        svg=looks(title, "nats per example", difference["margin"], found),
        caption=f"{title}: difference and interval, which holds at all rounds together. Dashed: no"
        " difference. Above the dotted line the candidate is worse by more than policy lets it.",
        columns=("Canary rounds", "Clients", "Difference (nats)", "Interval", "e, superior"),
        rows=[
            (
                str(one.rounds),
                str(one.clients),
                signed(one.log_loss),
                f"{one.lower:+.3g} to {one.upper:+.3g}",
                f"{one.e_superior:.3g}",
            )
            for one in reversed(found)
        ],
    )
