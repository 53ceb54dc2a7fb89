"""An explanation as it is kept and answered: what every part of it means, and in which unit."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

KindName = Literal["abrupt", "incremental", "gradual", "recurring", "outlier"]
OriginName = Literal["none", "virtual", "label", "real", "mixed"]


class Part(BaseModel):
    """A part of an explanation; what it says never changes once it was made."""

    model_config = ConfigDict(frozen=True)


class Evidence(Part):
    """The strongest of the verdicts that found the drift."""

    detector: str
    effect: float | None = Field(description="In `effect_unit`.")
    effect_unit: str
    threshold: float = Field(description="Smallest practical effect, in `effect_unit`.")
    p_value: float | None
    q_value: float | None
    minimum_detectable_effect: float | None = Field(description="In `effect_unit`.")
    clients_moved: int | None = Field(description="Clients that moved the same way.")
    clients_judged: int | None


class Split(Part):
    """What the pooled figure's change is made of: clients that moved, and others taking part.

    The verdict itself is on what moved within clients; this says what the pooled figure shows.
    """

    within_client: float = Field(description="Share, 0 to 1; both shares add to one.")
    participation_mix: float = Field(description="Share, 0 to 1.")
    within_client_change: float = Field(description="In the subject's unit.")
    participation_mix_change: float = Field(description="In the subject's unit.")


class CohortShare(Part):
    """One cohort's part of a drift; `cohort` is null for all clients that are in none of them."""

    cohort: str | None
    share: float = Field(description="Of the drift; negative where it moved the other way.")


class FeatureShare(Part):
    """How far one input moved among those that did, in multiples of what matters."""

    subject: str
    share: float


class Kind(Part):
    """How it came about: the most probable account of the subject's series over rounds."""

    kind: KindName
    probabilities: dict[KindName, float] = Field(description="Of every account; they add to one.")
    rounds: int = Field(description="How many rounds the series has.")


class Onset(Part):
    """The first round that was different, and between which rounds that may have been."""

    round_id: UUID
    step: int
    at: datetime = Field(description="When that round began, UTC.")
    earliest_step: int
    earliest_at: datetime
    latest_step: int
    latest_at: datetime
    coverage: float = Field(description="Probability that it is between the two.")
    earlier_possible: bool = Field(
        description="Whether it may have been in rounds that the series does not go back to."
    )


class Origin(Part):
    """Whether inputs, labels or the concept moved, from how labels and predictions fall together.

    `virtual`: the inputs; `label`: how often each label is; `real`: which label for which
    prediction; `mixed`: more than one; `none`: none of them. Null with `missing` saying why.
    """

    origin: OriginName | None
    probabilities: dict[OriginName, float] = Field(default_factory=dict)
    missing: str | None = None
    inputs_moved: bool = Field(description="Whether a feature, or the skew of one, drifts here.")
    labels_moved: bool = Field(description="Whether how often a label is drifts here.")


class Cluster(Part):
    """Clients that moved alike; fewer than may be shown are only counted."""

    clients: int
    movement: float = Field(
        description="In the subject's unit; of distributions the share of examples that moved."
    )
    share: float = Field(description="Of the drift.")
    cohorts: list[str] = Field(description="The cohorts that it mostly is.")


class Clusters(Part):
    """Which clients moved alike; under many clients an even sample of them."""

    looked_at: int = Field(description="Clients.")
    unmoved: int
    in_small_groups: int = Field(description="Clients that moved in groups too small to show.")
    moved: list[Cluster]


class Fitting(Part):
    """A past version whose reference is like the newest rounds, and what it did there."""

    version: str
    reference: int = Field(description="The number of its reference.")
    since: datetime = Field(description="When the first round of that reference began, UTC.")
    until: datetime = Field(description="When the last round of that reference ended, UTC.")
    metric: Literal["error_rate", "log_loss"] | None = None
    figure_then: float | None = Field(default=None, description="The metric of it there.")
    figure_now: float | None = Field(
        default=None, description="The metric of the version in use, in the newest rounds."
    )
    probability: float = Field(description="That things are as then, by the least likely subject.")
    p_value: float = Field(description="Smallest of the tests that they are not.")
    subjects: list[str] = Field(description="What was compared.")


class Explained(Part):
    """What is told of one cause to everybody who may read verdicts."""

    evidence: Evidence
    split: Split | None = None
    cohorts: dict[str, list[CohortShare]] = Field(
        default_factory=dict, description="By tag; the shares of each tag add to one."
    )
    features: list[FeatureShare] = Field(
        default_factory=list, description="Inputs that drift in this scope; shares add to one."
    )
    kind: Kind | None = None
    onset: Onset | None = None
    origin: Origin | None = None
    clusters: Clusters | None = None
    recurrence: Fitting | None = None


class ClientShare(Part):
    """One client's part of a drift; `client` is null for all others together."""

    client: str | None
    clients: int = 1
    share: float = Field(description="Of the drift; negative where it moved the other way.")
    cluster: int | None = Field(
        default=None, description="Those that moved alike have the same; 0 did not move."
    )
