"""The HTTP API, one method a call: no retries, no state. Thread-safe, as ``httpx.Client`` is."""

import dataclasses
import gzip
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from vigie_client._version import __version__
from vigie_client.canonical import canonical
from vigie_client.errors import VigieUnreachable
from vigie_client.models import (
    LONGEST_NAME,
    ModelVersion,
    Phase,
    Receipt,
    RetrainRequest,
    TrainedVersion,
    check_weights_sha256,
)
from vigie_client.problems import error_from

_NO_CONTENT = 204
_LARGE = 8192  # bytes, from which packing costs less than sending
_FAST = 1  # counts pack nearly as well as at the highest level
T = TypeVar("T")


class VigieApi:
    """One federation's corner of the API, under one key.

    ``transport`` stands in for the network in tests. Every method raises ``VigieError`` for an
    answer that is no success and ``VigieUnreachable`` when no usable answer came.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        federation: str,
        *,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open no connection yet; ``ValueError`` for a URL, key or name that cannot work."""
        self._url = _checked_url(url)
        self.federation = _checked_federation(federation)
        self._http = httpx.Client(
            base_url=self._url,
            headers={
                "Authorization": f"Bearer {_checked_key(api_key)}",
                "User-Agent": f"vigie-client/{__version__}",
                "Accept": "application/json, application/problem+json",
            },
            timeout=timeout,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"VigieApi(url={self._url!r}, federation={self.federation!r}, api_key=<hidden>)"

    def __enter__(self) -> "VigieApi":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def push_round(self, run: str, round: int, phase: Phase, body: bytes) -> Receipt:
        """Send one round's body, as canonical JSON; the same body again gets the same receipt.

        Large bodies go gzipped; the service hashes what they unpack to.
        """
        path = f"runs/{_part(run)}/rounds/{round}/{phase}"
        return self._call("POST", path, Receipt.from_json, content=body, packed=len(body) > _LARGE)

    def rounds(self, *, model: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest ``limit`` rounds, newest first, of one model or of all."""
        filters: dict[str, str | int] = {"limit": limit}
        if model is not None:
            filters["model"] = model
        return self._call("GET", "rounds", list, params=filters)

    def put_bin_spec(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Store a bin spec and return it with its id; the same spec always has the same id."""
        return self._call("POST", "bin-specs", dict, content=canonical(dict(spec)))

    def get_bin_spec(self, bin_spec: str) -> dict[str, Any]:
        """Return the bin spec with this id (``"bs_.."``)."""
        return self._call("GET", f"bin-specs/{_part(bin_spec)}", dict)

    def models(self) -> list[dict[str, Any]]:
        """Return the federation's models, each with its ``champion`` and ``canary`` versions."""
        return self._call("GET", "models", list)

    def register_version(
        self,
        model: str,
        run: str,
        weights_sha256: str,
        *,
        parent_version: str | None = None,
        artifact_uri: str | None = None,
        note: str | None = None,
    ) -> ModelVersion:
        """Register a model version that no retrain request asked for, such as the first."""
        check_weights_sha256(weights_sha256)
        body = {
            "run": run,
            "weights_sha256": weights_sha256,
            "parent_version": parent_version,
            "artifact_uri": artifact_uri,
            "note": note,
        }
        path = f"models/{_part(model)}/versions"
        return self._call("POST", path, ModelVersion.from_json, content=canonical(body))

    def claim_retrain_request(
        self, model: str, claimer: str, lease_seconds: int
    ) -> RetrainRequest | None:
        """Claim the oldest open retrain request of ``model``; ``None`` when there is none."""
        body = {"model": model, "claimer": claimer, "lease_seconds": lease_seconds}
        path = "retrain-requests/claim"
        return self._call("POST", path, _request_or_none, content=canonical(body))

    def report_progress(
        self, request_id: str, claimer: str, completed: int, total: int, message: str | None = None
    ) -> RetrainRequest:
        """Say how many rounds are done, which also renews the lease; 409 when it is lost."""
        body = {
            "claimer": claimer,
            "completed_rounds": completed,
            "total_rounds": total,
            "message": message,
        }
        return self._on_request(request_id, "progress", body)

    def complete_retrain_request(
        self, request_id: str, claimer: str, version: TrainedVersion
    ) -> RetrainRequest:
        """Hand over the trained version; the answer's ``result_version`` is its registry name."""
        body = {"claimer": claimer, **dataclasses.asdict(version)}
        return self._on_request(request_id, "complete", body)

    def fail_retrain_request(self, request_id: str, claimer: str, reason: str) -> RetrainRequest:
        """Say that training failed, and why in one line."""
        return self._on_request(request_id, "fail", {"claimer": claimer, "reason": reason})

    def _on_request(self, request_id: str, step: str, body: dict[str, Any]) -> RetrainRequest:
        path = f"retrain-requests/{_part(request_id)}/{step}"
        return self._call("POST", path, RetrainRequest.from_json, content=canonical(body))

    def _call(
        self,
        method: str,
        path: str,
        read: Callable[[Any], T],
        *,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        packed: bool = False,
    ) -> T:
        headers = {} if content is None else {"Content-Type": "application/json"}
        if packed and content is not None:
            content = gzip.compress(content, compresslevel=_FAST)
            headers["Content-Encoding"] = "gzip"
        path = f"/v1/federations/{_part(self.federation)}/{path}"
        try:
            response = self._http.request(
                method, path, content=content, params=params, headers=headers
            )
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise VigieUnreachable(f"{self._url} gives no answer: {reason}") from error
        if not response.is_success:
            raise error_from(response)
        return self._read(response, read)

    def _read(self, response: httpx.Response, read: Callable[[Any], T]) -> T:
        try:
            return read(None if response.status_code == _NO_CONTENT else response.json())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise VigieUnreachable(
                f"{self._url} answered {response.status_code} with something that is not Vigie's "
                f"({type(error).__name__}: {error}). Is a proxy in the way, or the URL another's?"
            ) from error


def _request_or_none(data: Mapping[str, Any] | None) -> RetrainRequest | None:
    return None if data is None else RetrainRequest.from_json(data)


def _part(name: str) -> str:
    return quote(name, safe="")


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("The URL needs a scheme and a host, as in https://vigie.example.org.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("The URL must hold no user, query or fragment; the key goes in api_key.")
    return url.rstrip("/")


def _checked_key(api_key: str) -> str:
    # Checked here, since httpx quotes a key that fits no header in its error, and so in a log.
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("The API key is empty or has characters that no key has; copy it anew.")
    return api_key


def _checked_federation(name: str) -> str:
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(
            f"A federation's name has 1 to {LONGEST_NAME} characters, not {len(name)}."
        )
    return name
