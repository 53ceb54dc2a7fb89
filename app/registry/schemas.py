"""API bodies of models, versions, comparisons and promotions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import Slug
from app.federations.schemas import Body
from app.registry.tables import Deviation, Promotion, PromotionApproval
from app.rounds.schemas import Sha256


def _no_climbing(value: str) -> str:
    if ".." in value:
        raise ValueError("an artifact's address has no '..' in it")
    return value


# What MLflow takes as a version's source without a run: object stores, and no path of a server.
ArtifactUri = Annotated[
    str,
    StringConstraints(
        pattern=r"^(s3|gs|abfss|wasbs|hdfs)://[A-Za-z0-9][A-Za-z0-9._~/@:+=-]*$", max_length=500
    ),
    AfterValidator(_no_climbing),
]
Note = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2000)]
Reason = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=2000, strip_whitespace=True),
]


# A tag and its value, both from the federation's allow-list.
Cohort = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*=[A-Za-z0-9][A-Za-z0-9._ -]*$", max_length=130
    ),
]


class ModelIn(Body):
    """A model, which is made if the federation does not have it."""

    name: Slug = Field(examples=["late-arrival"])


class ModelOut(BaseModel):
    """A model, and which of its versions are champion and canary."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    champion: str | None
    canary: str | None
    created_at: datetime


class VersionIn(Body):
    """A new version: the run that made it, and the hash of its weights."""

    run: Slug = Field(examples=["spring-2013"])
    weights_sha256: Sha256 = Field(examples=["0" * 64])
    parent_version: Slug | None = Field(default=None, examples=["1"])
    artifact_uri: ArtifactUri | None = Field(default=None, examples=["s3://models/late-arrival/2"])
    note: Note | None = None


class VersionOut(BaseModel):
    """A version with its lineage."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    run: str
    weights_sha256: str
    parent_version: str | None
    retrain_request_id: UUID | None
    incident_id: UUID | None
    lineage: dict[str, Any]
    artifact_uri: str | None
    artifact_state: Literal["none", "unverified", "verified", "mismatch"] = Field(
        description="Whether the weights' file has the registered hash; unverified: unreadable."
    )
    note: str | None
    mlflow_version: str | None = Field(description="Null until MLflow's registry has it.")
    registered_by: str
    created_at: datetime


class WeightsOut(BaseModel):
    """How it stands with the file of a version's weights."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    weights_sha256: str
    artifact_state: Literal["none", "unverified", "verified", "mismatch"]
    artifact_sha256: str | None = Field(description="Of the file's bytes.")
    artifact_bytes: int | None
    artifact_checked_at: datetime | None


class DeviationOut(BaseModel):
    """A difference between MLflow's registry and what Vigie told it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    kind: str = Field(examples=["alias_moved"])
    version: str = Field(description="Vigie's version; empty for what is not of one.")
    key: str = Field(description="The alias or tag.", examples=["champion"])
    expected: str | None = Field(description="As MLflow was told; a version is MLflow's number.")
    found: str | None = Field(description="As MLflow has it; null for nothing.")
    severity: Literal["warning", "critical"]
    detected_at: datetime
    repair_asked_at: datetime | None
    repair_asked_by: str | None
    resolved_at: datetime | None
    resolution: Literal["repaired", "overwritten", "reverted"] | None

    @classmethod
    def of(cls, deviation: Deviation, model: str) -> "DeviationOut":
        """A stored deviation of the model of that name."""
        return cls.model_validate({**deviation.model_dump(), "model": model})


class RepairIn(Body):
    """Why MLflow is put right."""

    reason: Reason = Field(examples=["Moved by hand in MLflow's UI; nobody had decided that."])


class Measured(BaseModel):
    """How one version did on the examples that both were measured on."""

    log_loss: float = Field(description="Nats per example.")
    error_rate: float


class Difference(BaseModel):
    """How much the candidate differs, candidate minus champion; the client is the unit."""

    log_loss: float = Field(description="Nats per example; below 0 the candidate is better.")
    lower: float = Field(description="Of an interval that holds at all looks together.")
    upper: float
    confidence: float
    look: int = Field(
        default=1, description="How often the evidence was judged, this one included."
    )
    error_rate: float = Field(default=0.0, description="Share of wrong answers; candidate's more.")
    error_lower: float = Field(default=0.0, description="Of an interval that holds at all looks.")
    error_upper: float = 0.0
    effective_clients: float = Field(
        default=0.0, description="How many clients of equal weight would tell as much."
    )
    p_superior: float | None = Field(
        description="One-sided: a difference as low, were the candidate no better; for one look."
    )
    p_non_inferior: float | None = Field(
        description="One-sided: a difference as low, were it worse by the margin; for one look."
    )
    e_superior: float | None = Field(
        default=None, description="E-value against a candidate no better; holds at every look."
    )
    e_non_inferior: float | None = Field(
        default=None, description="E-value against one worse by the margin; holds at every look."
    )
    e_worse: float | None = Field(
        default=None, description="E-value against a candidate no worse; holds at every look."
    )
    margin: float
    p_mcnemar: float | None = Field(description="Two-sided, on examples one version got wrong.")


class CohortComparison(BaseModel):
    """The same, for the clients of one cohort."""

    cohort: str = Field(examples=["hub=EWR"])
    clients: int
    examples: int
    champion_measured: Measured
    candidate_measured: Measured
    difference: Difference | None = Field(
        description="Its interval holds for all cohorts together (Bonferroni)."
    )
    better: bool = Field(
        default=False, description="Proven better here; of all so called, 1 - confidence is false."
    )
    worse: bool = Field(
        default=False, description="Proven worse here; of all so called, 1 - confidence is false."
    )


class Confusions(BaseModel):
    """Confusion matrices in examples: rows are the truth, columns what was predicted."""

    champion: list[list[float]]
    candidate: list[list[float]]
    difference: list[list[float]] = Field(
        default_factory=list, description="Candidate less champion, as shares of the row's truth."
    )


class LookOut(BaseModel):
    """What the sequential test said at one look."""

    look: int
    rounds: int = Field(description="Canary rounds by then.")
    clients: int
    log_loss: float
    lower: float
    upper: float
    e_superior: float
    e_non_inferior: float
    e_worse: float


class Guardrail(BaseModel):
    """Something that may not get worse, by how much it did, and whether that is within its limit.

    `breached` is beyond the limit for sure, `beyond` is so by the estimate alone, `unknown` says
    that rounds do not tell it.
    """

    name: Literal["error_rate", "failures", "latency", "calibration", "fairness", "cohort_loss"]
    unit: str
    value: float | None = Field(description="Candidate less champion: above 0 is worse.")
    lower: float | None
    upper: float | None
    limit: float
    state: Literal["within", "beyond", "breached", "unknown"]
    cohorts: list[str] = Field(description="For `cohort_loss`: which are proven to lose too much.")


class OutlookOut(BaseModel):
    """How far from a decision, were the estimate true and the variance as it is now."""

    rounds_more: int | None = Field(description="None where no number of rounds alone decides.")
    clients: int | None = Field(description="About how many clients would, where rounds do not.")


class LineageLink(BaseModel):
    """Where the candidate comes from."""

    run: str
    parent_version: str | None
    retrain_request_id: UUID | None
    incident_id: UUID | None
    weights_sha256: str
    registered_by: str


class Recommendation(BaseModel):
    """What the evidence speaks for, in a word and in a sentence."""

    action: Literal["promote", "keep_collecting", "reject"]
    sentence: str
    probability: str = Field(default="", description="How sure that is, in words.")


class Comparison(BaseModel):
    """Candidate and champion on the same examples, over all canary rounds of the pair."""

    model: str
    candidate: str
    champion: str
    cohort: str = Field(default="", description="Whose champion; empty for all clients'.")
    rounds: int
    round_ids: list[UUID]
    clients: int
    examples: int
    champion_measured: Measured | None
    candidate_measured: Measured | None
    difference: Difference | None
    agreement: list[list[float]] = Field(
        description="[[both right, champion only], [candidate only, both wrong]], in examples."
    )
    confusion: Confusions | None
    cohorts: list[CohortComparison]
    history: list[LookOut] = Field(
        default_factory=list, description="The sequential test, look by look."
    )
    guardrails: list[Guardrail] = Field(default_factory=list)
    outlook: OutlookOut | None = None
    lineage: LineageLink | None = None
    recommendation: Recommendation


class PromotionIn(Body):
    """A promotion to draft."""

    model: Slug = Field(examples=["late-arrival"])
    candidate: Slug = Field(examples=["2"])
    why: Reason = Field(examples=["Retrained on the summer; better at all hubs."])
    cohort: Cohort | None = Field(
        default=None,
        description="Whose champion it asks to become; left out, all clients'.",
        examples=["hub=EWR"],
    )


class DecisionIn(Body):
    """A decision, with the reason that goes on record with the name."""

    reason: Reason = Field(examples=["Better at every hub over two canary rounds."])


class ApprovalIn(DecisionIn):
    """An approval of the evidence that the approver saw."""

    evidence_sha256: Sha256 = Field(
        description="Of the promotion as it was read: another evidence is not approved.",
        examples=["0" * 64],
    )


class CommentIn(Body):
    """Something to say of a promotion."""

    text: Reason = Field(examples=["What of the small stations in the north?"])


class CommentOut(BaseModel):
    """What somebody said of a promotion."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    author: str
    text: str
    at: datetime


class ApprovalOut(BaseModel):
    """One person's approval."""

    model_config = ConfigDict(from_attributes=True)

    actor: str
    role: str
    reason: str
    evidence_sha256: str
    at: datetime


class ServingOut(BaseModel):
    """Which version a client of these cohorts is to be served."""

    version: str
    alias: str = Field(examples=["champion", "champion.hub=EWR"])
    cohort: str = Field(description="Whose champion it is; empty for the model's.")
    champions: dict[str, str] = Field(
        description="Every alias with its version: all that a server has to know at once."
    )


class Regret(BaseModel):
    """How much worse the champion is than the one before it; above 0 it is."""

    log_loss: float = Field(description="Nats per example.")
    lower: float = Field(description="Of an interval that holds at all looks together.")
    upper: float
    confidence: float
    e_value: float | None = Field(description="Against no regret; holds at every look.")


class ShadowOut(BaseModel):
    """The champion beside the one before it, since the promotion that made it."""

    model: str
    promotion_id: UUID
    champion: str
    before: str
    rounds: int
    rounds_left: int = Field(description="Canary rounds in which the old one is still watched.")
    regret: Regret | None
    history: list[LookOut] = Field(description="Old less new: below 0 the old one is better.")
    regretted: bool = Field(description="The old one is better beyond chance: go back.")


class JudgedRate(BaseModel):
    """A share of examples, with its interval over clients."""

    value: float
    lower: float
    upper: float


class JudgementOut(BaseModel):
    """What an older version says of the champion on examples without labels."""

    model: str
    champion: str
    judge: str
    assumption: str
    clients: int = Field(description="That told what both predict.")
    validated_clients: int = Field(description="That told labels for the judge.")
    examples: int
    disagreement: JudgedRate | None = Field(description="How often the two differ.")
    judge_error: JudgedRate | None = Field(description="The judge's own, on late labels.")
    error_lower: float | None = Field(description="The champion errs at least so often ...")
    error_upper: float | None = Field(description="... and at most so often.")
    error_if_independent: float | None = Field(
        description="The champion's error if the two err independently; two labels alone."
    )
    pseudo_recalls: list[float | None] | None = Field(
        description="Of what the judge calls each label, the share that the champion calls so."
    )


class CohortCluster(BaseModel):
    """Which world most of a cohort's clients live in."""

    cohort: str
    clients: int
    cluster: int
    purity: float = Field(description="The share of its clients in that cluster.")


class ClustersOut(BaseModel):
    """The worlds that clients live in, by how the champion errs at them."""

    clusters: int
    rounds: int
    lasting_share: float = Field(description="Clients that stayed in theirs in the last rounds.")
    cohorts: list[CohortCluster]


class CohortProposal(BaseModel):
    """A cohort to split off or to merge again; a promotion decides."""

    kind: Literal["split", "merge"]
    cohort: str
    champion: str
    candidate: str
    clients: int
    gain: float = Field(description="Nats per example that the cohort gains.")
    lower: float
    upper: float
    e_value: float


class CohortProposalsOut(BaseModel):
    """What the evidence speaks for; `clusters` is null where rounds tell no confusion."""

    clusters: ClustersOut | None
    proposals: list[CohortProposal]


class PromotionOut(BaseModel):
    """A promotion: what was asked, on which evidence, and who decided."""

    id: UUID
    model: str
    kind: Literal["promotion", "split", "merge", "rollback"]
    cohort: str = Field(description="Whose champion it is about; empty for all clients'.")
    candidate: str
    champion: str
    why: str | None
    criticality: str | None = Field(description="Of the model when it was submitted.")
    required: list[str] = Field(description="A role for each approval that is asked for.")
    missing: list[str] = Field(description="The roles whose approvals have not been given.")
    approvals: list[ApprovalOut]
    state: Literal["draft", "awaiting_review", "approved", "rejected", "applied", "rolled_back"]
    evidence: dict[str, Any]
    evidence_sha256: str | None
    submitted_by: str
    submitted_at: datetime | None
    expires_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    applied_at: datetime | None
    created_at: datetime

    @classmethod
    def of(
        cls,
        promotion: Promotion,
        model: str,
        approvals: Sequence[PromotionApproval],
        missing: Sequence[str],
    ) -> "PromotionOut":
        """A stored promotion of the model of that name."""
        given = [ApprovalOut.model_validate(one) for one in approvals]
        more = {"model": model, "approvals": given, "missing": list(missing)}
        return cls.model_validate({**promotion.model_dump(), **more})
