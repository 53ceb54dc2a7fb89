"""The smallest effects that matter in practice, by kind of subject."""

from pydantic import Field

from app.federations.policy.part import Effect, PolicyPart, Share


class EffectPolicy(PolicyPart):
    """The smallest effect that matters in practice, by kind of subject."""

    log_loss: Effect = Field(default=0.05, description="Nats per example.")
    error_rate: Effect = Field(default=0.05, description="Probability.")
    label: Effect = Field(default=0.05, description="Share of a class; probability.")
    score: Effect = Field(default=0.1, description="Largest gap of the distribution functions.")
    prediction: Effect = Field(default=0.1, description="Share that changed class; probability.")
    feature: Effect = Field(
        default=0.1, description="Largest gap, or share that changed category; probability."
    )
    calibration: Share = Field(
        default=0.05,
        description="Mean gap between predicted probabilities and shares that came true;"
        " probability.",
    )
    calibration_ratio: Effect = Field(
        default=0.2,
        description="Events in a cohort over those that the scores promise, less 1; ratio.",
    )
    participation: Share = Field(
        default=0.2, description="Share of the sampled clients that took part; probability."
    )
    error_share: Share = Field(
        default=0.1, description="Share of the sampled clients that failed; probability."
    )
    latency_ms: Effect = Field(
        default=0.5, description="Change of the latency over the reference's own; ratio."
    )
    train_ms: Effect = Field(
        default=0.5, description="Change of the training time over the reference's own; ratio."
    )
    peak_mb: Effect = Field(
        default=0.5, description="Change of the peak memory over the reference's own; ratio."
    )
    update_norm: Effect = Field(
        default=0.5,
        description="Change of the updates' norm over the reference's own; ratio, since a norm"
        " grows with the model.",
    )
    update_cosine: Effect = Field(
        default=0.2, lt=2, description="Change of the updates' cosine to the aggregate; 1."
    )
    consensus_distance: Effect = Field(
        default=0.1,
        description="Change of the distance between peers' updates over their root mean square"
        " norm; 1.",
    )
    rejected_technical: Share = Field(
        default=0.05, description="Share of the records refused for their form; probability."
    )
    rejected_functional: Share = Field(
        default=0.05, description="Share of the records refused for what they say; probability."
    )
    skew: Share = Field(
        default=0.1,
        description="Largest gap between training and serving, or share that changed category;"
        " probability.",
    )
    forgetting: Effect = Field(
        default=0.05, description="Log loss lost on what was known before; nats per example."
    )

    def of(self, kind: str) -> float:
        """The effect of a kind of subject: the part of its name before the colon."""
        return float(getattr(self, kind))
