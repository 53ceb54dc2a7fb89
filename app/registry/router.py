"""HTTP of models, versions, their comparison, and promotions."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response, status

from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.registry import service
from app.registry.card import CardOut
from app.registry.card_rendering import as_html, as_markdown
from app.registry.evidence_schemas import (
    CohortProposalsOut,
    Comparison,
    JudgementOut,
    ShadowOut,
)
from app.registry.lineage_schemas import LineageOut
from app.registry.promotion_schemas import (
    ApprovalIn,
    Cohort,
    CommentIn,
    CommentOut,
    DecisionIn,
    PromotionIn,
    PromotionOut,
    ServingOut,
)
from app.registry.schemas import DeviationOut, ModelIn, ModelOut, RepairIn, VersionIn, VersionOut
from app.registry.tables import Model, ModelVersion, PromotionComment

HTML, MARKDOWN = "text/html; charset=utf-8", "text/markdown; charset=utf-8"
CardForm = Literal["json", "md", "html"]
_CARD_FORMS: dict[int | str, dict[str, Any]] = {
    status.HTTP_200_OK: {
        "content": {
            media: {"schema": {"type": "string"}} for media in ("text/html", "text/markdown")
        }
    }
}
_CARD_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(prefix="/v1/federations/{federation}", tags=["registry"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Registrar = Annotated[Access, Depends(in_federation(Permission.REGISTER_VERSIONS))]
Submitter = Annotated[Access, Depends(in_federation(Permission.SUBMIT_PROMOTIONS))]
Handler = Annotated[Access, Depends(in_federation(Permission.HANDLE_INCIDENTS))]
Commenter = Annotated[Access, Depends(in_federation(Permission.COMMENT_PROMOTIONS))]
Decider = Annotated[Access, Depends(in_federation(Permission.DECIDE_PROMOTIONS))]


@router.post("/models", status_code=status.HTTP_201_CREATED, response_model=ModelOut)
def create_model(body: ModelIn, access: Registrar, session: WriteSession) -> Model:
    """Make a model; one of that name that exists is answered as it is."""
    federation = access.federation(session)
    return service.ensure_model(session, federation.id, body.name, access.actor)


@router.get("/models", response_model=list[ModelOut])
def list_models(access: Reader, session: ReadSession) -> list[Model]:
    """The federation's models, with their champions and canaries."""
    return service.models_of(session, access.federation(session).id)


@router.post(
    "/models/{model}/versions", status_code=status.HTTP_201_CREATED, response_model=VersionOut
)
def register_version(
    model: Slug, body: VersionIn, access: Registrar, session: WriteSession
) -> ModelVersion:
    """Register a version: a model's first is champion at once, a later one its canary.

    The same run and weights again are answered with the version that they made.
    """
    return service.register(session, access.federation(session), model, body, access.actor)


@router.get("/models/{model}/versions", response_model=list[VersionOut])
def list_versions(model: Slug, access: Reader, session: ReadSession) -> list[ModelVersion]:
    """A model's versions with their lineage, oldest first."""
    return service.versions_of(session, access.federation(session).id, model)


@router.get("/models/{model}/versions/{version}/comparison")
def compare_version(
    model: Slug,
    version: Slug,
    access: Reader,
    session: ReadSession,
    cohort: Annotated[Cohort | None, Query()] = None,
) -> Comparison:
    """A version beside the champion on the same examples, over all their canary rounds.

    Of a `cohort`, it is beside the cohort's champion, and over its clients alone.
    """
    return service.comparison(session, access.federation(session), model, version, cohort or "")


@router.get("/models/{model}/versions/{version}/lineage")
def read_lineage(model: Slug, version: Slug, access: Reader, session: ReadSession) -> LineageOut:
    """From what, by which training and for what reason a version came to be."""
    federation = access.federation(session)
    found = service.version_named(session, federation.id, model, version)
    named = service.model_named(session, federation.id, model)
    return service.lineage_of(session, federation, named, found)


@router.get(
    "/models/{model}/versions/{version}/card", response_model=CardOut, responses=_CARD_FORMS
)
def read_card(
    model: Slug,
    version: Slug,
    access: Reader,
    session: ReadSession,
    form: Annotated[CardForm, Query(alias="format", description="How it is written.")] = "json",
) -> CardOut | Response:
    """The model card of a version: all that is known of it, as of now."""
    card = service.card_of(session, access.federation(session), model, version)
    if form == "html":
        return Response(as_html(card), media_type=HTML, headers=_CARD_HEADERS)
    if form == "md":
        return Response(as_markdown(card), media_type=MARKDOWN, headers=_CARD_HEADERS)
    return card


@router.get("/registry/deviations")
def list_deviations(
    access: Reader, session: ReadSession, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[DeviationOut]:
    """Where MLflow's registry is not as Vigie told it to be: what is open, then the newest."""
    found = service.deviations_of(session, access.federation(session).id, limit)
    return [DeviationOut.of(deviation, model) for deviation, model in found]


@router.post("/models/{model}/repair", status_code=status.HTTP_202_ACCEPTED)
def repair_model(
    model: Slug, body: RepairIn, access: Handler, session: WriteSession
) -> list[DeviationOut]:
    """Have MLflow's aliases, versions and tags of a model put right; answers what deviated.

    A worker does it; what is right again shows as resolved within a minute.
    """
    found = service.repair(session, access.federation(session), model, access.actor, body.reason)
    return [DeviationOut.of(deviation, model) for deviation in found]


@router.get("/models/{model}/serving")
def read_serving(
    model: Slug,
    access: Reader,
    session: ReadSession,
    cohort: Annotated[list[Cohort] | None, Query(max_length=20)] = None,
) -> ServingOut:
    """Which version serves a client of these cohorts (`cohort=hub=EWR`), and all aliases."""
    federation = access.federation(session)
    return service.serving(session, federation, model, cohort or [])


@router.get("/models/{model}/cohort-proposals")
def read_cohort_proposals(model: Slug, access: Reader, session: ReadSession) -> CohortProposalsOut:
    """Which cohorts the evidence would give a champion of their own, or merge again."""
    return service.cohort_proposals(session, access.federation(session), model)


@router.get("/models/{model}/shadow")
def read_shadow(model: Slug, access: Reader, session: ReadSession) -> ShadowOut:
    """The champion beside the one before it, since it became champion."""
    return service.shadow(session, access.federation(session), model)


@router.get("/models/{model}/versions/{version}/judgement")
def read_judgement(
    model: Slug, version: Slug, access: Reader, session: ReadSession
) -> JudgementOut:
    """What an older version says of the champion where labels have not come yet."""
    return service.judgement(session, access.federation(session), model, version)


@router.post("/promotions", status_code=status.HTTP_201_CREATED)
def draft_promotion(body: PromotionIn, access: Submitter, session: WriteSession) -> PromotionOut:
    """Draft a promotion; a model has one open promotion at a time."""
    federation = access.federation(session)
    promotion = service.draft_promotion(
        session, federation, body.model, body.candidate, access.actor, body.why, body.cohort or ""
    )
    return service.shown(session, promotion)


@router.get("/promotions")
def list_promotions(
    access: Reader, session: ReadSession, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[PromotionOut]:
    """The newest promotions, newest first."""
    found = service.promotions_of(session, access.federation(session).id, limit)
    return [service.shown(session, promotion) for promotion in found]


@router.get("/promotions/{promotion_id}")
def read_promotion(promotion_id: UUID, access: Reader, session: ReadSession) -> PromotionOut:
    """One promotion, with the evidence as it was submitted."""
    federation = access.federation(session)
    return service.shown(session, service.get_promotion(session, federation.id, promotion_id))


@router.post("/promotions/{promotion_id}/submit")
def submit_promotion(promotion_id: UUID, access: Submitter, session: WriteSession) -> PromotionOut:
    """Freeze the evidence and ask for a decision; its author does this."""
    federation = access.federation(session)
    return service.shown(session, service.submit(session, federation, promotion_id, access.actor))


@router.post("/promotions/{promotion_id}/approve")
def approve_promotion(
    promotion_id: UUID, body: ApprovalIn, access: Decider, session: WriteSession
) -> PromotionOut:
    """Approve what was read; never by who submitted it or registered the candidate.

    A worker applies it with the last approval that the policy asks for.
    """
    promotion = service.approve(
        session,
        access.federation(session),
        promotion_id,
        access.actor,
        body.reason,
        role=access.principal.role,
        evidence_sha256=body.evidence_sha256,
    )
    return service.shown(session, promotion)


@router.post("/promotions/{promotion_id}/reject")
def reject_promotion(
    promotion_id: UUID, body: DecisionIn, access: Decider, session: WriteSession
) -> PromotionOut:
    """Reject; never by who submitted it or registered the candidate."""
    federation = access.federation(session)
    promotion = service.reject(session, federation, promotion_id, access.actor, body.reason)
    return service.shown(session, promotion)


@router.post("/promotions/{promotion_id}/roll-back")
def roll_back_promotion(
    promotion_id: UUID, body: DecisionIn, access: Decider, session: WriteSession
) -> PromotionOut:
    """Make the version before champion again, or take back an approval not yet in force."""
    federation = access.federation(session)
    promotion = service.roll_back(session, federation, promotion_id, access.actor, body.reason)
    return service.shown(session, promotion)


@router.post(
    "/promotions/{promotion_id}/comments",
    status_code=status.HTTP_201_CREATED,
    response_model=CommentOut,
)
def comment_on_promotion(
    promotion_id: UUID, body: CommentIn, access: Commenter, session: WriteSession
) -> PromotionComment:
    """Say something of a promotion, for whoever decides."""
    federation = access.federation(session)
    return service.comment(session, federation, promotion_id, access.actor, body.text)


@router.get("/promotions/{promotion_id}/comments", response_model=list[CommentOut])
def list_comments(
    promotion_id: UUID, access: Reader, session: ReadSession
) -> list[PromotionComment]:
    """What was said of a promotion, oldest first."""
    return service.comments_of(session, access.federation(session), promotion_id)
