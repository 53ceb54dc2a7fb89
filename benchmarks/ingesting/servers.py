"""What is measured, each in a process of its own on loopback.

`python -m benchmarks.ingesting.servers NAME PORT` starts one.

`plain` is the peer: a FastAPI endpoint with the same schema as a pydantic model, and nothing else.
`decode` is our way in alone: the body decoded and every value checked, nothing stored. `service` is
the whole API of `VIGIE_*`'s settings, with keys, audit, outbox and the durable commit. `bare`
reads the body and answers.
"""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.core import clock
from app.core.garbage import collected_seldom
from app.federations.tables import Federation
from app.main import create_app
from app.rounds import admission
from app.rounds.gate import GateContext
from app.rounds.layout import Spec, layout_on
from app.rounds.schemas import Phase, RoundBody
from benchmarks.ingesting.payload import BIN_SPEC

FEDERATION = Federation(name="load", title="Load", cohort_tags={}, created_at=clock.now())
SPEC = Spec("bs_0", BIN_SPEC)


def plain() -> FastAPI:
    """The peer."""
    app = FastAPI()

    @app.post("/")
    async def push(body: RoundBody) -> dict[str, int]:
        return {"accepted": len(body.clients)}

    return app


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing but the socket."""
    if scope["type"] == "http":
        body = await _body(receive)
        await _answer(send, f'{{"bytes": {len(body)}}}')


async def decode(scope: Scope, receive: Receive, send: Send) -> None:
    """Decode and check, and store nothing, in a process set up as the service's is."""
    if scope["type"] != "http":
        await _lifespan(receive, send)
        return
    body = await _body(receive)
    media = dict(scope["headers"]).get(b"content-type", b"").decode()
    push = admission.read(body, media)
    envelope = push.check_envelope(FEDERATION, Phase.EVALUATE)
    bins, layout = layout_on(SPEC, ())
    admitted = push.admit(layout, GateContext(FEDERATION, envelope, Phase.EVALUATE, bins))
    await _answer(send, f'{{"accepted": {admitted.batch.num_rows}}}')


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def _answer(send: Send, text: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


SERVERS: dict[str, Callable[[], Any]] = {
    "plain": plain,
    "bare": lambda: bare,
    "decode": lambda: decode,
    "service": create_app,
}

OURS = {"decode", "service"}

if __name__ == "__main__":
    name, port = sys.argv[1], int(sys.argv[2])
    app = SERVERS[name]()
    with collected_seldom() if name in OURS else nullcontext():
        uvicorn.run(app, port=port, log_level="error", access_log=False)
