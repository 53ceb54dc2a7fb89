"""``WebhookVerifier``: whether a message is Vigie's, of just now, and new."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigie_client.errors import WebhookRefused
from vigie_client.models import RetrainRequest

RETRAINING_REQUESTED = "retraining.requested"
_PREFIX = "whsec_"
_VERSION = "v1"


@dataclass(frozen=True)
class WebhookMessage:
    """A message of Vigie's: its ``type``, such as ``retraining.requested``, and what it says.

    ``repeated`` is a message that was taken before: its answer was lost. Answer 200, do nothing.
    """

    id: str
    type: str
    data: Mapping[str, Any]
    repeated: bool

    @property
    def request(self) -> RetrainRequest | None:
        """The retrain request that it is about, if any, as it was when the message was made."""
        told = self.data.get("request")
        return None if told is None else RetrainRequest.from_json(told)


class WebhookVerifier:
    """Checks messages as the Standard Webhooks specification says, for one webhook's secret.

    ::

        verifier = WebhookVerifier("whsec_...")
        message = verifier.verify(request.headers, request.body)  # the bytes as they came
        if message.type == "retraining.requested" and not message.repeated:
            wake_the_worker()

    Give both secrets while one is rotated. A message is a token to look, not the work itself: claim
    the request, since another worker may have been sooner. Not thread-safe in what it remembers;
    give each thread its own, or a lock.
    """

    def __init__(self, *secrets: str, tolerance_seconds: float = 300.0) -> None:
        """``ValueError`` for a secret that is none."""
        if not secrets:
            raise ValueError("A verifier needs the webhook's secret, whsec_...")
        self._keys = [_key(secret) for secret in secrets]
        self._tolerance = tolerance_seconds
        self._seen: OrderedDict[str, float] = OrderedDict()

    def __repr__(self) -> str:
        return f"WebhookVerifier(<{len(self._keys)} secrets hidden>)"

    def verify(self, headers: Mapping[str, str], body: bytes) -> WebhookMessage:
        """Return the message; ``WebhookRefused`` says why when it is not Vigie's or is too old.

        ``headers`` may have any case. Answer a refusal with 400 or 401, and never act on it.
        """
        told = {name.lower(): value for name, value in headers.items()}
        try:
            message, sent = told["webhook-id"], told["webhook-timestamp"]
            signatures = told["webhook-signature"].split()
        except KeyError as missing:
            raise WebhookRefused(f"The header {missing} is missing.") from None
        self._check_signature(message, sent, body, signatures)
        self._check_time(sent)
        return _read(message, body, repeated=self._was_seen(message))

    def _check_signature(
        self, message: str, sent: str, body: bytes, signatures: Sequence[str]
    ) -> None:
        signed = b".".join((message.encode(), sent.encode(), body))
        for key in self._keys:
            digest = hmac.new(key, signed, hashlib.sha256).digest()
            expected = f"{_VERSION},{base64.b64encode(digest).decode()}".encode()
            if any(hmac.compare_digest(expected, one.encode()) for one in signatures):
                return
        raise WebhookRefused("No signature fits: another secret, or a body that was changed.")

    def _check_time(self, sent: str) -> None:
        if not (sent.isascii() and sent.isdigit()) or len(sent) > len(str(2**63)):
            raise WebhookRefused("The time of the message is no number of seconds.")
        off = abs(time.time() - int(sent))
        if off > self._tolerance:
            raise WebhookRefused(
                f"The message is {off:.0f} s off, and {self._tolerance:g} s are allowed. Is the"
                " clock right?"
            )

    def _was_seen(self, message: str) -> bool:
        """Remember an id for as long as its message would be accepted."""
        at = time.monotonic()
        while self._seen and next(iter(self._seen.values())) < at - 2 * self._tolerance:
            self._seen.popitem(last=False)
        repeated = message in self._seen
        self._seen.setdefault(message, at)
        return repeated


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):  # never quoting the secret
        raise ValueError("A webhook's secret is whsec_ and base64; copy it anew.") from None


def _read(message: str, body: bytes, *, repeated: bool) -> WebhookMessage:
    try:
        told = json.loads(body)
        return WebhookMessage(message, str(told["type"]), dict(told["data"]), repeated)
    except (KeyError, TypeError, ValueError) as error:
        raise WebhookRefused(
            f"The body is no message of Vigie's ({type(error).__name__})."
        ) from None
