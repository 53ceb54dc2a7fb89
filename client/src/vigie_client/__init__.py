"""The FL server's side of Vigie: push rounds, claim retrain requests, make pseudonyms."""

from vigie_client._version import __version__
from vigie_client.api import VigieApi
from vigie_client.async_api import AsyncVigieApi
from vigie_client.async_reporter import AsyncRoundReporter
from vigie_client.async_retrain import AsyncRetrainWorker, AsyncTrain
from vigie_client.backoff import Backoff
from vigie_client.bins import Bins
from vigie_client.bodies import Body
from vigie_client.clock import ServerClock
from vigie_client.errors import (
    FieldError,
    LeaseLost,
    SpoolFull,
    SpoolLocked,
    UnknownRound,
    VigieClientError,
    VigieError,
    VigieUnreachable,
    WebhookRefused,
)
from vigie_client.models import (
    ClosedRound,
    ModelVersion,
    Phase,
    Receipt,
    Refusal,
    RetrainRequest,
    TrainedVersion,
    Trainees,
)
from vigie_client.noise import Noise, common_privacy
from vigie_client.pseudonym import Pseudonyms, generate_key
from vigie_client.reporter import RoundReporter
from vigie_client.retrain import Progress, RetrainWorker, Train
from vigie_client.summary import Summary
from vigie_client.updates import update_block
from vigie_client.webhooks import WebhookMessage, WebhookVerifier
from vigie_client.weights import weights_sha256

__all__ = [
    "AsyncRetrainWorker",
    "AsyncRoundReporter",
    "AsyncTrain",
    "AsyncVigieApi",
    "Backoff",
    "Bins",
    "Body",
    "ClosedRound",
    "FieldError",
    "LeaseLost",
    "ModelVersion",
    "Noise",
    "Phase",
    "Progress",
    "Pseudonyms",
    "Receipt",
    "Refusal",
    "RetrainRequest",
    "RetrainWorker",
    "RoundReporter",
    "ServerClock",
    "SpoolFull",
    "SpoolLocked",
    "Summary",
    "Train",
    "TrainedVersion",
    "Trainees",
    "UnknownRound",
    "VigieApi",
    "VigieClientError",
    "VigieError",
    "VigieUnreachable",
    "WebhookMessage",
    "WebhookRefused",
    "WebhookVerifier",
    "__version__",
    "common_privacy",
    "generate_key",
    "update_block",
    "weights_sha256",
]
