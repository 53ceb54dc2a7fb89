"""API bodies of what clients have spent of their privacy, and of withdrawals."""

from pydantic import BaseModel, Field

from app.federations.schemas import Body
from app.rounds.schemas import Pseudonym


class ClientSpentOut(BaseModel):
    """What one client has spent; a display name, or its pseudonym for those who may read them."""

    client: str
    epsilon: float | None = Field(description="At the policy's delta; null: without bound.")


class PrivacyOut(BaseModel):
    """What a federation's clients have spent of their privacy by declared noise."""

    delta: float
    epsilon_budget: float | None
    clients: int = Field(description="Clients with records under declared noise.")
    worst_epsilon: float | None = Field(description="Of the client that spent most; null: no end.")
    near: int = Field(description="Clients past the share of the budget that is warned of.")
    exhausted: int = Field(description="Clients with nothing left of the budget.")
    most_spent: list[ClientSpentOut] | None = Field(
        description="The clients that spent most; null for those who may not read clients."
    )


class WithdrawalIn(Body):
    """The clients that leave."""

    clients: list[Pseudonym] = Field(min_length=1, max_length=1000)


class WithdrawalOut(BaseModel):
    """What a withdrawal did."""

    withdrawn: int = Field(description="Clients that had not withdrawn before.")
    records: int = Field(description="Records that were erased.")
    rounds: int = Field(description="Rounds whose aggregates contain them, marked as such.")
    verdicts: int = Field(description="Verdicts on these clients that were blanked.")
