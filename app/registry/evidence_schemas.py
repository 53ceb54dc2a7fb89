"""API bodies of evidence: comparisons, shadows, judgements, and proposals from them."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


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
    labels: list[str] = Field(
        default_factory=list, description="The classes' names, where the bin spec tells them."
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
    lasting_rounds: int = Field(description="The newest rounds in a row in which nearly all did.")
    cohorts: list[CohortCluster]


class CohortProposal(BaseModel):
    """A cohort to split off or to merge again; a promotion decides."""

    kind: Literal["split", "merge"]
    cohort: str
    champion: str
    candidate: str
    clients: int
    rounds: int = Field(description="Canary rounds that measured the two.")
    gain: float = Field(description="Nats per example that the cohort gains.")
    lower: float
    upper: float
    e_value: float


class CohortProposalsOut(BaseModel):
    """What the evidence speaks for; `clusters` is null where rounds tell no confusion."""

    clusters: ClustersOut | None
    proposals: list[CohortProposal]
