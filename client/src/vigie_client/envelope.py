"""The content of a push, put together from what changes from round to round."""

from collections.abc import Iterable, Mapping
from typing import Any

SCHEMA_VERSION = 1


def content(
    clients: Iterable[Mapping[str, Any]],
    *,
    model: str,
    version: str,
    global_step: int,
    attempt: int,
    canary_version: str | None,
    weights_sha256: str | None,
    parent_version: str | None,
    **more: object,
) -> dict[str, Any]:
    """Return the body of the wire format but for ``started_at`` and ``ended_at``.

    What is ``None`` is left out.
    """
    reference = {
        "name": model,
        "version": version,
        "canary_version": canary_version,
        "weights_sha256": weights_sha256,
        "parent_version": parent_version,
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "attempt": attempt,
        "global_step": global_step,
        "model": _said(reference),
        **_said(more),
        "clients": list(clients),
    }


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
