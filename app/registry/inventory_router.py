"""HTTP of the model inventory."""

from typing import Annotated

from fastapi import APIRouter, Depends, status

from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.registry import service
from app.registry.criticality import QUESTIONS
from app.registry.inventory_schemas import InventoryIn, InventoryOut, QuestionOut, ReviewIn

router = APIRouter(prefix="/v1/federations/{federation}/inventory", tags=["inventory"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Owner = Annotated[Access, Depends(in_federation(Permission.SET_POLICY))]
Reviewer = Annotated[Access, Depends(in_federation(Permission.DECIDE_PROMOTIONS))]


@router.get("")
def list_inventory(access: Reader, session: ReadSession) -> list[InventoryOut]:
    """Every model of the federation: for what, by whom, how critical, and when it is due."""
    return service.inventory_of(session, access.federation(session).id)


@router.get("/questions")
def list_questions(access: Reader) -> list[QuestionOut]:  # noqa: ARG001 - who may ask
    """The questions from which a model's criticality follows."""
    return [QuestionOut.model_validate(question, from_attributes=True) for question in QUESTIONS]


@router.get("/models/{model}")
def read_inventory(model: Slug, access: Reader, session: ReadSession) -> InventoryOut:
    """What is known of one model."""
    return service.inventory_of_model(session, access.federation(session).id, model)


@router.put("/models/{model}")
def describe_model(
    model: Slug, body: InventoryIn, access: Owner, session: WriteSession
) -> InventoryOut:
    """Say what a model is for and how critical it is; the whole entry is replaced."""
    return service.describe(session, access.federation(session), model, body, access.actor)


@router.post("/models/{model}/reviews", status_code=status.HTTP_201_CREATED)
def review_model(
    model: Slug, body: ReviewIn, access: Reviewer, session: WriteSession
) -> InventoryOut:
    """Note a review of a model; never by its owner or developer."""
    return service.review(session, access.federation(session), model, body, access.actor)
