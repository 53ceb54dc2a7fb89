"""What follows when the model registry is not as Vigie left it."""

from typing import Literal

from pydantic import Field

from app.federations.policy.part import PolicyPart


class RegistryPolicy(PolicyPart):
    """What follows when MLflow's registry was changed behind Vigie's back."""

    on_deviation: Literal["raise", "repair"] = Field(
        default="raise",
        description="`raise` tells people and leaves MLflow as it is; `repair` puts it right, too.",
    )
