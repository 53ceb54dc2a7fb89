"""One call of a running service's API for which the client has no method."""

from collections.abc import Mapping
from typing import Any

from vigie_client import Body, VigieApi
from vigie_client.calls import Call
from vigie_client.canonical import canonical


def ask(
    api: VigieApi,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, str | int] | None = None,
) -> Any:  # noqa: ANN401 - whatever JSON the route answers
    """The answer's JSON; `path` is below the federation."""
    sent = None if body is None else Body(canonical(dict(body)))
    return api._send(Call(method, path, _as_it_is, sent, params))  # noqa: SLF001 - its only way


def _as_it_is(answer: Any) -> Any:  # noqa: ANN401 - any JSON
    return answer
