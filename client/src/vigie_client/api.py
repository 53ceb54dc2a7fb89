"""The HTTP API, one method a call: no retries, no state. Thread-safe, as ``httpx.Client`` is."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx

from vigie_client import calls
from vigie_client.bodies import Body
from vigie_client.calls import Call
from vigie_client.clock import ServerClock
from vigie_client.models import (
    ClosedRound,
    ModelVersion,
    Phase,
    Receipt,
    RetrainRequest,
    TrainedVersion,
)
from vigie_client.wire import ALIVE, Wire, event_data

T = TypeVar("T")


class VigieApi:
    """One federation's corner of the API, under one key.

    ``transport`` stands in for the network in tests; ``clock`` learns the service's time from its
    answers. Every method raises ``VigieError`` for an answer that is no success and
    ``VigieUnreachable`` when no usable answer came.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        federation: str,
        *,
        timeout: float = 10.0,
        clock: ServerClock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open no connection yet; ``ValueError`` for a URL, key or name that cannot work."""
        self.clock = clock or ServerClock()
        self._wire = Wire(url, api_key, federation, self.clock)
        self._http = httpx.Client(
            base_url=self._wire.url,
            headers=self._wire.headers,
            timeout=timeout,
            transport=transport,
        )

    def __repr__(self) -> str:
        url, federation = self._wire.url, self.federation
        return f"VigieApi(url={url!r}, federation={federation!r}, api_key=<hidden>)"

    def __enter__(self) -> "VigieApi":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def federation(self) -> str:
        """The federation's name."""
        return self._wire.federation

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask_time(self) -> None:
        """Ask the service for its time alone, for ``clock``; without an answer, do nothing."""
        sent = self.clock.local()
        with contextlib.suppress(httpx.RequestError):
            response = self._http.get(ALIVE)
            self.clock.observe(response.headers.get("Date"), sent, self.clock.local())

    def push_round(
        self, run: str, round: int, phase: Phase, body: Body | bytes, chunk: int | None = None
    ) -> Receipt:
        """Send one round's body, or a chunk of it; the same body again gets the same receipt.

        Bytes alone are canonical JSON. Large bodies go gzipped; the service hashes what they unpack
        to.
        """
        return self._send(calls.push_round(run, round, phase, body, chunk))

    def close_round(
        self, run: str, round: int, phase: Phase, chunks: int, attempt: int = 1
    ) -> ClosedRound:
        """Say how many chunks a round has; it is judged once they are all there."""
        return self._send(calls.close_round(run, round, phase, chunks, attempt))

    def rounds(self, *, model: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest ``limit`` rounds, newest first, of one model or of all."""
        return self._send(calls.rounds(model, limit))

    def verdicts(self, round_id: str) -> list[dict[str, Any]]:
        """Return the verdicts on a round; those on single clients only for who may see them."""
        return self._send(calls.verdicts(round_id))

    def progress(self, round_id: str) -> dict[str, Any]:
        """Return where a round stands; its ``text`` is such as ``"evaluating 7/16"``."""
        return self._send(calls.progress(round_id))

    def follow(self, round_id: str) -> Iterator[dict[str, Any]]:
        """Yield where a round stands, again whenever that changes, until it was judged."""
        call, sent = calls.progress_events(round_id), self.clock.local()
        request = self._wire.request(call, self._http.timeout)
        try:
            with self._http.stream(**request) as response:
                if not response.is_success:
                    response.read()
                self._wire.opened(response, sent)
                for line in response.iter_lines():
                    if data := event_data(line):
                        yield call.read(data)
        except httpx.RequestError as error:
            raise self._wire.unreachable(error) from error

    def explanations(self, round_id: str) -> list[dict[str, Any]]:
        """Return why subjects drift in a round, with a ``sentence`` each; empty where none does."""
        return self._send(calls.explanations(round_id))

    def incidents(self, *, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest ``limit`` incidents, newest first."""
        return self._send(calls.incidents(limit))

    def put_bin_spec(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Store a bin spec and return it with its id; the same spec always has the same id."""
        return self._send(calls.put_bin_spec(spec))

    def get_bin_spec(self, bin_spec: str) -> dict[str, Any]:
        """Return the bin spec with this id (``"bs_.."``); ``Bins.fetch`` keeps it on disk."""
        return self._send(calls.get_bin_spec(bin_spec))

    def models(self) -> list[dict[str, Any]]:
        """Return the federation's models, each with its ``champion`` and ``canary`` versions."""
        return self._send(calls.models())

    def serving(self, model: str, cohorts: Mapping[str, str]) -> dict[str, Any]:
        """Return the ``version`` for a client of these cohorts, and all ``champions`` by alias.

        ``cohorts`` are its tags with their values, never who it is.
        """
        return self._send(calls.serving(model, cohorts))

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
        return self._send(
            calls.register_version(
                model,
                run,
                weights_sha256,
                parent_version=parent_version,
                artifact_uri=artifact_uri,
                note=note,
            )
        )

    def upload_weights(self, model: str, version: str, path: Path) -> dict[str, Any]:
        """Send the file with a version's weights; the service keeps it if it is the right one.

        That is: if the version was registered with the SHA-256 of the file's bytes or, for a NumPy
        archive (``numpy.savez``), with the ``weights_sha256`` of its arrays. Else ``VigieError``.
        """
        with path.open("rb") as file:
            return self._send(calls.upload_weights(model, version, file))

    def claim_retrain_request(
        self, model: str, claimer: str, lease_seconds: int, wait: float = 0.0
    ) -> RetrainRequest | None:
        """Claim the open retrain request of ``model``; ``None`` when there is none.

        With ``wait``, up to ``LONGEST_WAIT``, the service answers only after so many seconds that
        there is none, and at once when one comes.
        """
        return self._send(calls.claim_retrain_request(model, claimer, lease_seconds, wait))

    def report_progress(
        self, request_id: str, claimer: str, completed: int, total: int, message: str | None = None
    ) -> RetrainRequest:
        """Say how many rounds are done, which also renews the lease; 409 when it is lost."""
        return self._send(calls.report_progress(request_id, claimer, completed, total, message))

    def complete_retrain_request(
        self, request_id: str, claimer: str, version: TrainedVersion
    ) -> RetrainRequest:
        """Hand over the trained version; the answer's ``result_version`` is its registry name."""
        return self._send(calls.complete_retrain_request(request_id, claimer, version))

    def fail_retrain_request(self, request_id: str, claimer: str, reason: str) -> RetrainRequest:
        """Say that training failed, and why in one line."""
        return self._send(calls.fail_retrain_request(request_id, claimer, reason))

    def _send(self, call: Call[T]) -> T:
        request, sent = self._wire.request(call, self._http.timeout), self.clock.local()
        try:
            response = self._http.request(**request)
        except httpx.RequestError as error:
            raise self._wire.unreachable(error) from error
        return self._wire.result(call, response, sent)
