"""`vigie push`: one round from a file to the service, whole or in chunks."""

import json
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected
from app.commands.progress import shown

if TYPE_CHECKING:
    from vigie_client import Body, ClosedRound, Receipt

T = TypeVar("T")
STDIN = Path("-")
ARROW_STREAM = "application/vnd.apache.arrow.stream"
_STREAM_STARTS, _FILE_STARTS = b"\xff\xff\xff\xff", b"ARROW1"
_MIB = 2**20
_NAMED = 10  # missing chunks


class Phase(StrEnum):
    """What a round was for."""

    FIT = "fit"
    EVALUATE = "evaluate"
    CANARY = "canary"
    SERVE = "serve"


def push(
    run: Annotated[str, typer.Option(help="The run that the round belongs to.")],
    number: Annotated[int, typer.Option("--round", min=0, help="The run's round.")],
    phase: Annotated[Phase, typer.Option(help="What the round was for.")],
    federation: Federation,
    key: Key,
    file: Annotated[
        Path | None, typer.Argument(help="JSON or Arrow IPC; - reads standard input.")
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(min=0, max=9_999, help="Which chunk of the round the file is, from 0."),
    ] = None,
    close: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Say that the round has so many chunks."),
    ] = None,
    attempt: Annotated[int, typer.Option(min=1, max=1000, help="The attempt to --close.")] = 1,
    url: Url = DEFAULT_URL,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to try again for while the service is busy.")
    ] = 30.0,
    wait: Annotated[bool, typer.Option("--wait", help="Until the round was judged.")] = False,
    as_json: Json = False,
) -> None:
    """Push one round from a file, and print the receipt.

    The file is a round's body as docs/reference/wire-format.md has it: JSON, or an Arrow IPC
    stream or file. Pushing the same file again is harmless: it gets the same receipt.

    A round of over 20,000 records or 8 MiB comes in chunks, in any order, and is judged once it is
    closed and all of them are there. Labels that are known later are one more chunk.

    For example:

        vigie push round-23.json --run serve-2013 --round 23 --phase evaluate -f flights

        make-round | vigie push - --run run-1 --round 1 --phase fit -f flights --json

        vigie push part-0.arrow --chunk 0 --run run-1 --round 1 --phase fit -f flights

        vigie push round-24.json --wait --run serve-2013 --round 24 --phase evaluate -f flights

        vigie push --close 2 --run run-1 --round 1 --phase fit -f flights
    """
    _check_together(file, chunk, close)
    body = None if file is None else _body(_read(file), file)
    with connected(url, key, federation) as api:
        if body is not None:
            told = f"Sending {len(body.data) / _MIB:.1f} MiB to {url} ..."
            with Console(stderr=True).status(told):
                receipt = _delivered(
                    lambda: api.push_round(run, number, phase.value, body, chunk), patience
                )
            typer.echo(json.dumps(receipt.to_json())) if as_json else _show(receipt)
            if wait and close is None:
                shown(api.follow(receipt.round_id), as_json=as_json)
        if close is not None:
            closed = _delivered(
                lambda: api.close_round(run, number, phase.value, close, attempt), patience
            )
            typer.echo(json.dumps(closed.to_json()) if as_json else _told_of(closed))
            if wait and closed.round_id is not None:
                shown(api.follow(closed.round_id), as_json=as_json)


def _check_together(file: Path | None, chunk: int | None, close: int | None) -> None:
    if file is None and close is None:
        raise typer.BadParameter("Give a FILE to push, or --close, or both.")
    if file is None and chunk is not None:
        raise typer.BadParameter("--chunk is a FILE's number; give the FILE, too.")
    if file is not None and close is not None and chunk is None:
        raise typer.BadParameter("A round that comes whole needs no --close; or give --chunk.")


def _read(file: Path) -> bytes:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from error
    if not data.strip():
        raise typer.BadParameter(f"{file} is empty; expected a round's body as JSON or Arrow IPC.")
    return data


def _body(data: bytes, file: Path) -> "Body":
    from vigie_client import Body  # noqa: PLC0415 - numpy and httpx, only when used

    if data.startswith(_STREAM_STARTS):
        return Body(data, ARROW_STREAM)
    if data.startswith(_FILE_STARTS):
        return Body(_as_stream(data, file), ARROW_STREAM)
    return Body(data)


def _as_stream(data: bytes, file: Path) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - only for Arrow's file format

    try:
        with pa.ipc.open_file(data) as reader:
            table = reader.read_all()
    except pa.ArrowException as error:
        raise typer.BadParameter(f"{file} is no Arrow IPC file: {error}.") from error
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _delivered(send: Callable[[], T], patience: float) -> T:
    """Send until there is a receipt or a final answer, for `patience` seconds."""
    from vigie_client import Backoff, VigieError, VigieUnreachable  # noqa: PLC0415 - as above

    deadline, failures, backoff = time.monotonic() + patience, 0, Backoff(most=10.0)
    while True:
        try:
            return send()
        except (VigieError, VigieUnreachable) as error:
            failures += 1
            delay = backoff.delay(failures, error)
            if not error.transient or time.monotonic() + delay > deadline:
                raise
        time.sleep(delay)


def _show(receipt: "Receipt") -> None:
    typer.echo(
        f"Round {receipt.round} of run {receipt.run} ({receipt.phase}, attempt {receipt.attempt}): "
        f"{receipt.accepted} records accepted, {receipt.quarantined} in quarantine."
    )
    for refusal in receipt.refusals:
        typer.secho(f"  {refusal.field}: {refusal.message}", fg=typer.colors.YELLOW, err=True)
    typer.echo(f"Receipt {receipt.receipt_id}, {receipt.received_at.isoformat()}.")


def _told_of(closed: "ClosedRound") -> str:
    if not closed.missing_count:
        return f"Closed with {closed.chunks} chunks; all of them are there."
    some = ", ".join(map(str, closed.missing[:_NAMED]))
    more = ", ..." if closed.missing_count > _NAMED else ""
    return f"Closed with {closed.chunks} chunks; {closed.missing_count} are missing: {some}{more}."
