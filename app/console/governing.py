"""The console's pages of governance: the inventory, the audit log, and the policy."""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import ValidationError

from app.audit import service as audit
from app.audit.errors import BrokenChainError
from app.audit.schemas import ExportedEntry
from app.console.access import Visitor, form_of, reader, reader_of
from app.console.forms import Reason
from app.console.pages.policy import PolicyTry, policy_page, try_out
from app.console.rendering import HEADERS, page
from app.console.routes import SEE_OTHER, ConsoleRoute, InvalidFormError
from app.core.database import Database
from app.core.http import DatabaseDep, ReadSession, WriteSession
from app.core.ids import Slug
from app.federations import service as federations
from app.federations.policy.yaml_text import MOST_BYTES, PolicyTextError, read
from app.federations.roles import Permission
from app.incidents import trying
from app.registry import service as registry
from app.registry.criticality import QUESTIONS
from app.registry.inventory_schemas import InventoryIn, InventoryOut

router = APIRouter(prefix="/f/{federation}", route_class=ConsoleRoute, include_in_schema=False)

PAGE = 50  # audit entries
BATCH = 1000
MOST_SEQ = 2**31 - 1

Reader = Annotated[Visitor, Depends(reader)]
Auditor = Annotated[Visitor, Depends(reader_of(Permission.READ_AUDIT))]
Setter = Annotated[Visitor, Depends(form_of(Permission.SET_POLICY))]
Text = Annotated[str, Form(max_length=MOST_BYTES)]
Filter = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


async def _sent(request: Request) -> dict[str, str]:
    """Every field of a form but the session's token."""
    fields = await request.form()
    return {name: str(value) for name, value in fields.items() if name != "form_token"}


Sent = Annotated[dict[str, str], Depends(_sent)]


@router.get("/inventory")
def show_inventory(federation: Slug, visitor: Reader, session: ReadSession) -> Response:
    """Every model: for what, by whom, how critical, and when it is reviewed next."""
    row = visitor.federation(session, federation)
    return page(
        "inventory.html",
        visitor=visitor,
        federation=row,
        models=registry.inventory_of(session, row.id),
        deviations=registry.deviations_of(session, row.id),
        questions=QUESTIONS,
    )


@router.post("/inventory/{model}")
def describe(
    federation: Slug, model: Slug, sent: Sent, visitor: Setter, session: WriteSession
) -> Response:
    """Say what a model is for and how critical it is."""
    row = visitor.federation(session, federation)
    known = registry.inventory_of_model(session, row.id, model)
    body = _described(known, sent)
    registry.describe(session, row, model, body, visitor.name)
    return RedirectResponse(f"/f/{federation}/models/{model}", SEE_OTHER)


def _described(known: InventoryOut, sent: dict[str, str]) -> InventoryIn:
    """What the form says, and what it does not ask as it was."""
    answers = {one.name: sent.pop(one.name, "") for one in QUESTIONS}
    kept = {"feeds": known.feeds, "documentation": known.documentation, "family": known.family}
    try:
        return InventoryIn.model_validate({**kept, **sent, "answers": answers})
    except ValidationError as error:
        raise InvalidFormError from error


@router.get("/audit")
def show_audit(
    federation: Slug,
    visitor: Auditor,
    session: ReadSession,
    before: Annotated[int | None, Query(ge=1, le=MOST_SEQ)] = None,
    actor: Filter = "",
    action: Filter = "",
    verify: bool = False,
) -> Response:
    """The audit log of the federation, newest first; asked to, it walks the whole chain."""
    row = visitor.federation(session, federation)
    found = audit.newest(session, row.id, limit=PAGE + 1, before=before, actor=actor, action=action)
    return page(
        "audit.html",
        visitor=visitor,
        federation=row,
        entries=found[:PAGE],
        older=found[PAGE - 1].seq if len(found) > PAGE else None,
        actor=actor,
        action=action,
        result=_verified(session) if verify else None,
    )


def _verified(session: ReadSession) -> tuple[bool, str]:
    """Whether the chain holds, and in words how far, or where it does not."""
    try:
        end = audit.verify(session)
    except BrokenChainError as error:
        return False, error.message
    return True, f"All {end.seq:,} entries of the service follow each other, up to {end.hash}."


@router.get("/audit/export")
def export_audit(
    federation: Slug, visitor: Auditor, session: ReadSession, database: DatabaseDep
) -> Response:
    """The federation's entries as JSON Lines, newest first, each with its hashes."""
    row = visitor.federation(session, federation)
    name = f'attachment; filename="audit-{row.name}.jsonl"'
    headers = HEADERS | {"Content-Disposition": name}
    lines = _lines(database, row.id)
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


def _lines(database: Database, federation_id: UUID) -> Iterator[str]:
    before: int | None = None
    with database.read_scope() as session:
        while found := audit.newest(session, federation_id, limit=BATCH, before=before):
            for entry in found:
                yield ExportedEntry.model_validate(entry).model_dump_json() + "\n"
            before = found[-1].seq
            session.expunge_all()


@router.get("/policy")
def show_policy(federation: Slug, visitor: Reader, session: ReadSession) -> Response:
    """The policy in force, how it came to be, and a form to try another."""
    row = visitor.federation(session, federation)
    return page("policy.html", visitor=visitor, it=policy_page(session, row))


@router.post("/policy/try")
def try_policy(
    federation: Slug,
    text: Text,
    visitor: Setter,
    session: WriteSession,
    backtest: Annotated[bool, Form()] = False,
) -> Response:
    """Say what a policy would change; asked to, have a worker say what it would have opened."""
    row = visitor.federation(session, federation)
    tried = try_out(row, text)
    if backtest and tried.policy is not None:
        trial = trying.ask(session, row, tried.policy, text, visitor.name)
        return RedirectResponse(f"/f/{federation}/policy/trials/{trial.id}", SEE_OTHER)
    it = policy_page(session, row, tried)
    return page("policy.html", 422 if tried.faults else 200, visitor=visitor, it=it)


@router.get("/policy/trials/{trial_id}")
def show_trial(federation: Slug, trial_id: UUID, visitor: Reader, session: ReadSession) -> Response:
    """A policy that was tried, and what it would have opened once a worker has said so."""
    row = visitor.federation(session, federation)
    trial = trying.get(session, row.id, trial_id)
    it = policy_page(session, row, try_out(row, trial.text), trial)
    return page("policy.html", 202 if it.waits else 200, visitor=visitor, it=it)


@router.post("/policy")
def set_policy(
    federation: Slug,
    text: Text,
    version: Annotated[int, Form(ge=1, le=MOST_SEQ)],
    why: Reason,
    visitor: Setter,
    session: WriteSession,
) -> Response:
    """Put a policy in force, unless another came in force since the form was shown."""
    row = visitor.federation(session, federation)
    try:
        _, policy = read(text.encode())
    except PolicyTextError as error:
        it = policy_page(session, row, PolicyTry(text=text, faults=error.lines))
        return page("policy.html", 422, visitor=visitor, it=it)
    federations.set_policy(session, row, policy, visitor.name, why=why, expected=version)
    return RedirectResponse(f"/f/{federation}/policy", SEE_OTHER)
