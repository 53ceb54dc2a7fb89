"""What goes over the wire and comes back, as frozen records.

Fields that a newer service adds are ignored, so that an older client keeps working.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, get_args

Phase = Literal["fit", "evaluate", "canary", "serve"]
PHASES: tuple[str, ...] = get_args(Phase)

# Longer ones fit no URL; the service's own bound is below this.
LONGEST_NAME = 255

# Chunks of one round, numbered from 0; the wire format's bound.
MOST_CHUNKS = 10_000

_NO_COHORTS: Mapping[str, str] = MappingProxyType({})
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Refusal:
    """Why one client's record was put in quarantine; ``index`` is its place in ``clients``."""

    index: int
    field: str
    code: str
    message: str


@dataclass(frozen=True)
class Receipt:
    """The service's word that a round is stored and will take effect."""

    receipt_id: str
    round_id: str
    federation: str
    run: str
    round: int
    phase: str
    attempt: int
    body_sha256: str
    received_at: datetime
    accepted: int
    quarantined: int
    refusals: tuple[Refusal, ...]
    chunk: int = 0  # of a round that came whole, too
    warnings: tuple[str, ...] = ()  # such as a privacy budget that is nearly spent

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Receipt":
        """Read the answer; ``KeyError``, ``TypeError`` or ``ValueError`` when it is no receipt."""
        refusals = tuple(
            Refusal(item["index"], item["field"], item["code"], item["message"])
            for item in data["refusals"]
        )
        return cls(
            receipt_id=data["receipt_id"],
            round_id=data["round_id"],
            federation=data["federation"],
            run=data["run"],
            round=data["round"],
            phase=data["phase"],
            attempt=data["attempt"],
            warnings=tuple(data.get("warnings", ())),
            body_sha256=data["body_sha256"],
            received_at=_moment(data["received_at"]),
            accepted=data["accepted"],
            quarantined=data["quarantined"],
            refusals=refusals,
            chunk=data.get("chunk", 0),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "received_at": self.received_at.isoformat()}


@dataclass(frozen=True)
class ClosedRound:
    """How far a round has come that was closed with its number of ``chunks``.

    ``missing`` names the first of those that have not come, ``missing_count`` is how many there
    are. ``round_id`` is ``None`` while none has come.
    """

    round_id: str | None
    state: str
    chunks: int
    missing: tuple[int, ...]
    missing_count: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ClosedRound":
        """Read the answer; ``KeyError`` or ``TypeError`` when it is none."""
        return cls(
            round_id=data["round_id"],
            state=data["state"],
            chunks=data["chunks"],
            missing=tuple(data["missing"]),
            missing_count=data["missing_count"],
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Trainees:
    """Who is to train: ``all``, or ``drifted`` or ``weighted``.

    Those that drifted are a ``cohort`` (``hub=EWR``) or the clients of these ``pseudonyms``, which
    moved alike. ``drifted`` is those alone; ``weighted`` is all, those counting ``weight`` times.
    """

    which: str = "all"
    cohort: str | None = None
    weight: float = 1.0
    pseudonyms: frozenset[str] = frozenset()

    def weight_of(self, pseudonym: str, cohorts: Mapping[str, str] = _NO_COHORTS) -> float:
        """Return how many times a client of these cohorts, by tag, counts; 0: it does not train.

        ``cohorts`` are needed where a cohort is meant.

        >>> Trainees("weighted", "hub=EWR", 3.0).weight_of("c_1", {"hub": "EWR"})
        3.0
        """
        if self.which == "all":
            return 1.0
        tag, _, value = (self.cohort or "").partition("=")
        inside = pseudonym in self.pseudonyms if self.cohort is None else cohorts.get(tag) == value
        if self.which == "drifted":
            return float(inside)
        return self.weight if inside else 1.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Trainees":
        """Read what ``to_json`` made; ``AttributeError`` or ``TypeError`` when it is none."""
        return cls(
            data.get("which", "all"),
            data.get("cohort"),
            float(data.get("weight", 1.0)),
            frozenset(data.get("pseudonyms") or ()),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "pseudonyms": sorted(self.pseudonyms)}


@dataclass(frozen=True)
class RetrainRequest:
    """Vigie asking for retraining rounds of ``model``, starting from ``base_version``.

    ``plan`` is what the federation's policy asks for, ``evidence`` what drifted, ``benefit`` what
    it should save and cost; ``trainees`` are the clients of a cluster that ``clients`` means, told
    to whom claims it; ``state`` is one of ``proposed``, ``requested``, ``claimed``,
    ``running``, ``completed``, ``failed``, ``expired``, ``cancelled``.
    """

    id: str
    model: str
    base_version: str
    incident_id: str | None
    state: str
    reason: str
    plan: Mapping[str, Any]
    claimed_by: str | None
    lease_until: datetime | None
    progress: Mapping[str, Any] | None
    result_version: str | None
    created_at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)
    benefit: Mapping[str, Any] | None = None
    trainees: tuple[str, ...] = ()

    @property
    def rounds(self) -> int:
        """How many rounds to train."""
        return int(self.plan.get("rounds", 1))

    @property
    def warm_start(self) -> str:
        """The version to start from."""
        return str(self.plan.get("warm_start", self.base_version))

    @property
    def hyperparameters(self) -> dict[str, bool | int | float | str]:
        """What to train with, by names that the federation's policy and you agree on."""
        return dict(self.plan.get("hyperparameters") or {})

    @property
    def clients(self) -> Trainees:
        """Who is to train."""
        told = self.plan.get("clients") or {}
        return Trainees.from_json({**told, "pseudonyms": self.trainees})

    @property
    def success(self) -> dict[str, Any]:
        """What rounds that measure both versions have to show for it to have helped."""
        return dict(self.plan.get("success") or {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RetrainRequest":
        """Read the answer; ``KeyError``, ``TypeError`` or ``ValueError`` when it is no request."""
        lease_until = data["lease_until"]
        return cls(
            id=data["id"],
            model=data["model"],
            base_version=data["base_version"],
            incident_id=data["incident_id"],
            state=data["state"],
            reason=data["reason"],
            plan=dict(data["plan"]),
            claimed_by=data["claimed_by"],
            lease_until=None if lease_until is None else _moment(lease_until),
            progress=data["progress"],
            result_version=data["result_version"],
            created_at=_moment(data["created_at"]),
            evidence=dict(data.get("evidence") or {}),
            benefit=data.get("benefit"),
            trainees=tuple(data.get("trainees") or ()),
        )


@dataclass(frozen=True)
class TrainedVersion:
    """What a retraining made: the version that Vigie registers as the candidate.

    ``weights_sha256`` is the SHA-256 of the weights (64 lower-case hex digits), ``rounds`` how many
    were run, ``artifact_uri`` where the weights lie for those who may fetch them.
    """

    run: str
    weights_sha256: str
    rounds: int
    artifact_uri: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        check_weights_sha256(self.weights_sha256)
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; a version comes from at least 1 round.")


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry; ``details`` is all that the service says of it."""

    version: str
    details: Mapping[str, Any]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ModelVersion":
        """Read the answer; ``KeyError`` or ``TypeError`` when it is no version."""
        return cls(version=str(data["version"]), details=dict(data))


def check_weights_sha256(digest: str) -> None:
    """Raise ``ValueError`` unless ``digest`` is 64 lower-case hex digits."""
    if not _SHA256.fullmatch(digest):
        raise ValueError(
            f"weights_sha256 is {digest!r}; expected 64 lower-case hex digits, as "
            "hashlib.sha256(weights).hexdigest() gives."
        )


def _moment(text: str) -> datetime:
    # Python 3.10 does not read the "Z" that stands for UTC.
    moment = datetime.fromisoformat(
        text.removesuffix("Z") + ("+00:00" if text.endswith("Z") else "")
    )
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone.")
    return moment
