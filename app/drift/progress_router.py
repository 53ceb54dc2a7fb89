"""HTTP of a round's progress: as it is, and as server-sent events while it changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.core.database import Database
from app.core.http import DatabaseDep, ReadSession
from app.drift.progress import Progress, progress_of
from app.drift.schemas import ProgressOut
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission

router = APIRouter(prefix="/v1/federations/{federation}", tags=["drift"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
# Seconds between two looks: often while something happens, seldom while nothing does.
FIRST_LOOK, LAST_LOOK, SLOWER = 0.2, 2.0, 1.25
LONGEST = 600.0  # then the stream ends, and whoever still cares asks again


@router.get("/rounds/{round_id}/progress")
def read_progress(round_id: UUID, access: Reader, session: ReadSession) -> ProgressOut:
    """Where a round stands, such as `receiving 2/3`, `evaluating 7/16`, `evaluated`, `partial`."""
    return ProgressOut.model_validate(progress_of(session, access.as_called.id, round_id))


def _now(round_id: UUID, access: Reader, database: DatabaseDep) -> Progress:
    with database.read_scope() as session:
        return progress_of(session, access.as_called.id, round_id)


@router.get("/rounds/{round_id}/progress/events", response_class=EventSourceResponse)
async def follow_progress(
    now: Annotated[Progress, Depends(_now)], access: Reader, database: DatabaseDep
) -> AsyncIterator[ServerSentEvent]:
    """The same as server-sent events named `progress`, one whenever it changes, until it ends.

    The stream ends with the round's judging, or after ten minutes; then ask again.
    """
    async for progress in _changes(database, access.as_called.id, now):
        yield ServerSentEvent(
            event="progress", data=ProgressOut.model_validate(progress).model_dump(mode="json")
        )


async def _changes(
    database: Database, federation_id: UUID, now: Progress
) -> AsyncIterator[Progress]:
    def look() -> Progress:
        with database.read_scope() as session:
            return progress_of(session, federation_id, now.round_id)

    yield now
    passed, pause = 0.0, FIRST_LOOK
    while not now.ended and passed < LONGEST:
        await asyncio.sleep(pause)
        passed, before = passed + pause, now
        now = await run_in_threadpool(look)
        if now == before:
            pause = min(LAST_LOOK, pause * SLOWER)
        else:
            pause = FIRST_LOOK
            yield now
