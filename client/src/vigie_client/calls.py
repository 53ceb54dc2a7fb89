"""The calls of the HTTP API as values: what to ask, and how to read the answer. No I/O here.

``VigieApi`` and ``AsyncVigieApi`` send the same calls.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote

from vigie_client.bodies import Body, FileBody
from vigie_client.canonical import canonical
from vigie_client.models import (
    ClosedRound,
    ModelVersion,
    Phase,
    Receipt,
    RetrainRequest,
    TrainedVersion,
    check_weights_sha256,
)

T = TypeVar("T")
Json = dict[str, Any]
SIGN_OF_LIFE_SECONDS = 15.0  # between two events the service sends one


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call; ``path`` is below the federation, ``read`` turns the answer's JSON into a ``T``.

    The service may take ``held`` seconds longer to answer than it usually does.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    body: Body | FileBody | None = None
    params: Mapping[str, str | int | list[str]] | None = None
    held: float = 0.0


def push_round(
    run: str, round: int, phase: Phase, body: Body | bytes, chunk: int | None
) -> Call[Receipt]:
    """Push one round's body, or a chunk of it; bytes alone are canonical JSON."""
    sent = body if isinstance(body, Body) else Body(body)
    params = None if chunk is None else {"chunk": chunk}
    return Call("POST", _round(run, round, phase), Receipt.from_json, sent, params)


def close_round(run: str, round: int, phase: Phase, chunks: int, attempt: int) -> Call[ClosedRound]:
    """Say how many chunks a round has."""
    body = {"attempt": attempt, "chunks": chunks}
    return _post(f"{_round(run, round, phase)}/close", ClosedRound.from_json, body)


def rounds(model: str | None, limit: int) -> Call[list[Json]]:
    """Ask for the newest rounds."""
    filters: dict[str, str | int] = {"limit": limit}
    if model is not None:
        filters["model"] = model
    return Call("GET", "rounds", list, params=filters)


def verdicts(round_id: str) -> Call[list[Json]]:
    """Ask for the verdicts on a round."""
    return Call("GET", f"rounds/{_part(round_id)}/verdicts", list)


def progress(round_id: str) -> Call[Json]:
    """Ask where a round stands."""
    return Call("GET", f"rounds/{_part(round_id)}/progress", dict)


def progress_events(round_id: str) -> Call[Json]:
    """Ask to be told whenever that changes; ``read`` is for each event."""
    path = f"rounds/{_part(round_id)}/progress/events"
    return Call("GET", path, dict, held=SIGN_OF_LIFE_SECONDS)


def explanations(round_id: str) -> Call[list[Json]]:
    """Ask why subjects drift in a round."""
    return Call("GET", f"rounds/{_part(round_id)}/explanation", list)


def incidents(limit: int) -> Call[list[Json]]:
    """Ask for the newest incidents."""
    return Call("GET", "incidents", list, params={"limit": limit})


def put_bin_spec(spec: Mapping[str, Any]) -> Call[Json]:
    """Store a bin spec."""
    return _post("bin-specs", dict, dict(spec))


def get_bin_spec(bin_spec: str) -> Call[Json]:
    """Ask for a bin spec."""
    return Call("GET", f"bin-specs/{_part(bin_spec)}", dict)


def models() -> Call[list[Json]]:
    """Ask for the federation's models."""
    return Call("GET", "models", list)


def serving(model: str, cohorts: Mapping[str, str]) -> Call[Json]:
    """Ask which version serves a client of these cohorts, by tag."""
    told = [f"{tag}={value}" for tag, value in cohorts.items()]
    return Call("GET", f"models/{_part(model)}/serving", dict, params={"cohort": told})


def register_version(
    model: str,
    run: str,
    weights_sha256: str,
    *,
    parent_version: str | None,
    artifact_uri: str | None,
    note: str | None,
) -> Call[ModelVersion]:
    """Register a model version; ``ValueError`` for a digest that is none."""
    check_weights_sha256(weights_sha256)
    body = {
        "run": run,
        "weights_sha256": weights_sha256,
        "parent_version": parent_version,
        "artifact_uri": artifact_uri,
        "note": note,
    }
    return _post(f"models/{_part(model)}/versions", ModelVersion.from_json, body)


def upload_weights(model: str, version: str, file: BinaryIO) -> Call[Json]:
    """Send the file with a version's weights."""
    path = f"models/{_part(model)}/versions/{_part(version)}/weights"
    return Call("PUT", path, dict, FileBody(file))


def claim_retrain_request(
    model: str, claimer: str, lease_seconds: int, wait: float
) -> Call[RetrainRequest | None]:
    """Claim the open retrain request, or wait so many seconds for one."""
    body: Json = {"model": model, "claimer": claimer, "lease_seconds": lease_seconds}
    if wait:
        body["wait"] = wait
    call = _post("retrain-requests/claim", _request_or_none, body)
    return dataclasses.replace(call, held=wait)


def report_progress(
    request_id: str, claimer: str, completed: int, total: int, message: str | None
) -> Call[RetrainRequest]:
    """Say how many rounds are done."""
    body = {
        "claimer": claimer,
        "completed_rounds": completed,
        "total_rounds": total,
        "message": message,
    }
    return _on_request(request_id, "progress", body)


def complete_retrain_request(
    request_id: str, claimer: str, version: TrainedVersion
) -> Call[RetrainRequest]:
    """Hand over the trained version."""
    body = {"claimer": claimer, **dataclasses.asdict(version)}
    return _on_request(request_id, "complete", body)


def fail_retrain_request(request_id: str, claimer: str, reason: str) -> Call[RetrainRequest]:
    """Say that training failed."""
    return _on_request(request_id, "fail", {"claimer": claimer, "reason": reason})


def _on_request(request_id: str, step: str, body: Json) -> Call[RetrainRequest]:
    return _post(f"retrain-requests/{_part(request_id)}/{step}", RetrainRequest.from_json, body)


def _post(path: str, read: Callable[[Any], T], body: Json) -> Call[T]:
    return Call("POST", path, read, Body(canonical(body)))


def _request_or_none(data: Mapping[str, Any] | None) -> RetrainRequest | None:
    return None if data is None else RetrainRequest.from_json(data)


def _round(run: str, round: int, phase: Phase) -> str:
    return f"runs/{_part(run)}/rounds/{round}/{phase}"


def _part(name: str) -> str:
    return quote(name, safe="")
