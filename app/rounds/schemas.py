"""The wire format: what an FL server may send, and what it is answered."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)
from pydantic import BaseModel as PydanticModel

from app.core.ids import Slug
from app.federations.schemas import Body, TagValue

MAX_CLIENTS, MAX_BINS, MAX_FEATURES, MAX_CLASSES = 20_000, 1024, 256, 256
MAX_CHUNKS = 10_000
MAX_RECORD_BYTES = 64 * 2**10
MAX_INT = 2**31 - 1
MAX_NUMBER = 1e15
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _int_only(value: object) -> object:
    return value if type(value) is int else None  # to Python, True and 1.0 are 1


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a time is text such as 2026-01-31T12:00:00Z")  # noqa: TRY004 - pydantic's
    return value


def _plausible(value: datetime) -> datetime:
    # Compared before any conversion: year 1 with an offset has no UTC.
    if not EARLIEST <= value <= LATEST:
        raise ValueError("a time lies between 1970 and 2200")
    return value.astimezone(UTC)


Time = Annotated[AwareDatetime, BeforeValidator(_text_only), AfterValidator(_plausible)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Pseudonym = Annotated[str, StringConstraints(pattern=r"^c_[0-9a-f]{32}$")]
BinSpecId = Annotated[str, StringConstraints(pattern=r"^bs_[0-9a-f]{16}$")]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-MAX_NUMBER, le=MAX_NUMBER)]
Amount = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=0, le=MAX_NUMBER)]
Whole = Annotated[int, Strict(), Field(ge=0, le=MAX_INT)]
Positive = Annotated[int, Strict(), Field(ge=1, le=MAX_INT)]
Flag = Annotated[bool, Strict()]
Attempt = Annotated[int, Strict(), Field(ge=1, le=1000)]
RoundState = Literal["receiving", "received", "evaluated", "superseded"]
# Counts may be negative or broken when noise is declared; the gate refuses them when it is not.
Counts = Annotated[list[Number], Field(min_length=1, max_length=MAX_BINS)]
Matrix = Annotated[
    list[Annotated[list[Number], Field(max_length=MAX_CLASSES)]], Field(max_length=MAX_CLASSES)
]


class Phase(StrEnum):
    """What a round was for."""

    FIT = "fit"
    EVALUATE = "evaluate"
    CANARY = "canary"  # champion and candidate on the same examples
    SERVE = "serve"


class ModelRef(Body):
    """Which model the round was of."""

    name: Slug
    version: Slug
    weights_sha256: Sha256 | None = None
    parent_version: Slug | None = None
    canary_version: Slug | None = None


class Strategy(Body):
    """How the FL server aggregates."""

    name: Slug
    config_sha256: Sha256 | None = None


class Participation(Body):
    """Who could, should and did take part."""

    available: Whole | None = None
    sampled: Whole | None = None
    replied: Whole | None = None
    timed_out: Whole | None = None
    errors: dict[Slug, Whole] = Field(default_factory=dict, max_length=100)
    latency_p50_ms: Amount | None = None
    latency_p95_ms: Amount | None = None
    bytes_up: Amount | None = None
    bytes_down: Amount | None = None


class Privacy(Body):
    """How the numbers were protected before they left the clients."""

    mechanism: Literal["none", "laplace", "gaussian", "geometric"] = "none"
    epsilon: Annotated[float, Strict(), Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    delta: Annotated[float, Strict(), Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    sensitivity: Annotated[float, Strict(), Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None
    unit: Literal["example", "client"] = "example"
    clip_norm: Amount | None = None
    secure_aggregation: Flag = False
    cohort_size: Positive | None = None


class Metrics(Body):
    """Mergeable sums over a client's examples; a mean alone could not be merged."""

    loss_sum: Number | None = Field(default=None, description="Sum of the loss (nats).")
    loss_sumsq: Number | None = Field(default=None, description="Sum of the squared loss.")
    correct_count: Number | None = Field(default=None, description="Examples predicted right.")


class CanaryBlock(Body):
    """The candidate on the same examples as the rest of the record."""

    metrics: Metrics = Metrics()
    confusion: Matrix | None = None
    score_histogram: Counts | None = None
    agreement: (
        Annotated[
            list[Annotated[list[Number], Field(min_length=2, max_length=2)]],
            Field(min_length=2, max_length=2),
        ]
        | None
    ) = Field(
        default=None,
        description="[[both right, champion only], [candidate only, both wrong]], in examples.",
    )
    crossed: Matrix | None = Field(
        default=None,
        description="Rows: the champion's predictions; columns: the candidate's. Needs no labels.",
    )
    evaluate_ms: Amount | None = Field(
        default=None, description="What the candidate took, as `resources.evaluate_ms`."
    )


class Update(Body):
    """The client's model update, without its weights.

    Where no server averages, it is the peer's model itself, against what the peer made of it and
    its neighbours' by its row of the mixing matrix; only then is there a `mean_norm`.
    """

    norm: Amount | None = Field(default=None, description="Its length (Euclidean).")
    cosine: Annotated[float, Strict(), Field(ge=-1.001, le=1.001)] | None = Field(
        default=None, description="The cosine between it and the aggregate, or that mean."
    )
    mean_norm: Amount | None = Field(
        default=None, description="The length of the mean, in the unit of `norm`."
    )


class Resources(Body):
    """What the round cost the client."""

    train_ms: Amount | None = None
    evaluate_ms: Amount | None = None
    peak_mb: Amount | None = None
    energy_wh: Amount | None = None


class ClientRecord(Body):
    """What one client (under secure aggregation: one cohort) says in one round."""

    client: Pseudonym = Field(examples=["c_" + "0" * 32])
    cohorts: dict[Slug, TagValue] = Field(default_factory=dict, max_length=20)
    status: Literal["ok", "error", "timeout"] = "ok"
    error_code: Slug | None = None
    num_examples: Whole
    metrics: Metrics | None = None
    label_counts: Counts | None = None
    prediction_counts: Counts | None = None
    score_histogram: Counts | None = None
    features: dict[Slug, Counts] = Field(default_factory=dict, max_length=MAX_FEATURES)
    projections: list[Counts] | None = Field(default=None, max_length=4096)
    confusion: Matrix | None = Field(default=None, description="Rows: truth; columns: prediction.")
    canary: CanaryBlock | None = None
    update: Update | None = None
    resources: Resources | None = None


class Envelope(Body):
    """What a push says of the round as a whole."""

    schema_version: Annotated[Literal[1], BeforeValidator(_int_only)]
    attempt: Attempt = 1
    global_step: Whole
    model: ModelRef
    retrain_request: UUID | None = None
    strategy: Strategy | None = None
    started_at: Time
    ended_at: Time
    bin_spec: BinSpecId | None = None
    participation: Participation = Field(default_factory=Participation)
    privacy: Privacy = Field(default_factory=Privacy)


class RoundBody(Envelope):
    """One push: the envelope and one record per client."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "schema_version": 1,
                    "global_step": 23,
                    "model": {"name": "late-arrival", "version": "1"},
                    "started_at": "2013-06-10T00:00:00Z",
                    "ended_at": "2013-06-17T00:00:00Z",
                    "bin_spec": "bs_0123456789abcdef",
                    "clients": [
                        {
                            "client": "c_" + "0" * 32,
                            "num_examples": 1234,
                            "metrics": {
                                "loss_sum": 612.5,
                                "loss_sumsq": 480.25,
                                "correct_count": 934,
                            },
                            "label_counts": [900, 334],
                        }
                    ],
                }
            ]
        }
    )

    clients: list[ClientRecord] = Field(min_length=1, max_length=MAX_CLIENTS)


class RefusalOut(PydanticModel):
    """A record that was refused: where and why."""

    model_config = ConfigDict(from_attributes=True)

    index: int | None
    field: str
    code: str
    message: str


class Receipt(PydanticModel):
    """The answer to an accepted push; the same push again gets the same receipt."""

    receipt_id: UUID
    round_id: UUID
    federation: str
    run: str
    round: int
    phase: Phase
    attempt: int
    chunk: int
    body_sha256: str
    received_at: datetime
    accepted: int
    quarantined: int
    refusals: list[RefusalOut]
    warnings: list[str] = Field(
        default_factory=list, examples=[["privacy_budget_near: 3 client(s)"]]
    )


class CloseIn(Body):
    """How many chunks a round has: they are numbered from 0."""

    attempt: Attempt = 1
    chunks: Annotated[int, Strict(), Field(ge=1, le=MAX_CHUNKS)]


class CloseOut(PydanticModel):
    """How far a round has come: it is judged once no chunk is missing, or at its deadline."""

    round_id: UUID | None = Field(description="None while no chunk has come.")
    state: RoundState
    chunks: int
    missing: list[int] = Field(description="The first of the chunks that have not come.")
    missing_count: int


class RoundOut(PydanticModel):
    """A round as it was received, and how far Vigie has come with it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    run: str
    number: int
    phase: Phase
    attempt: int
    global_step: int
    model: str
    version: str
    canary_version: str | None
    started_at: datetime
    ended_at: datetime
    accepted: int
    quarantined: int
    state: RoundState
    closes_at: datetime | None
    received_at: datetime
    evaluated_at: datetime | None
    withdrawn: int = Field(description="How many of its clients withdrew since.")


class RefusalCounts(PydanticModel):
    """How many records were refused, by reason."""

    total: int
    by_code: dict[str, int]


Edges = Annotated[list[Number], Field(min_length=2, max_length=MAX_BINS + 1)]


class ScoreBins(Body):
    """The edges of the score histogram."""

    edges: Edges
    unit: str = Field(default="probability", pattern=r"^[\w %/.^-]{1,40}$")


class NumericBins(Body):
    """A numeric feature: m + 1 edges for m counts; outliers count in the outermost bins."""

    kind: Literal["numeric"]
    edges: Edges
    unit: str = Field(pattern=r"^[\w %/.^-]{1,40}$")


class CategoricalBins(Body):
    """A categorical feature: one count a category, and a last one for anything else."""

    kind: Literal["categorical"]
    categories: list[TagValue] = Field(min_length=1, max_length=MAX_BINS - 1)


class Projections(Body):
    """Seeded orthonormal directions that clients project standardised features on."""

    features: list[Slug] = Field(min_length=1, max_length=MAX_FEATURES)
    center: list[Number] = Field(min_length=1, max_length=MAX_FEATURES)
    scale: list[Amount] = Field(min_length=1, max_length=MAX_FEATURES)
    seed: Whole
    bases: Annotated[int, Strict(), Field(ge=1, le=16)] = 1
    edges: Edges


class BinSpecIn(Body):
    """What every client counts on."""

    labels: list[TagValue] = Field(min_length=2, max_length=MAX_CLASSES)
    score: ScoreBins
    features: dict[Slug, Annotated[NumericBins | CategoricalBins, Field(discriminator="kind")]] = (
        Field(default_factory=dict, max_length=MAX_FEATURES)
    )
    projections: Projections | None = None


class BinSpecOut(BinSpecIn):
    """A bin spec under its id, which is a hash of its content."""

    id: str

    @classmethod
    def of(cls, spec_id: str, document: dict[str, Any]) -> "BinSpecOut":
        """From what is stored."""
        return cls.model_validate({**document, "id": spec_id})
