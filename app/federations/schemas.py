"""API bodies of federations, policies and keys."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import Slug
from app.federations.policy import Policy
from app.federations.roles import Role

TagValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,62}$")]
Holder = Annotated[str, StringConstraints(pattern=r"^[\w][\w .@'-]{0,99}$")]


class Body(BaseModel):
    """Base of every body that the API takes: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class FederationIn(Body):
    """A new federation."""

    name: Slug = Field(examples=["flights"])
    title: str = Field(
        min_length=1, max_length=200, pattern=r"^[^\x00]*$", examples=["US flights 2013"]
    )
    min_cohort_size: int = Field(
        default=3, ge=1, le=10_000, description="Smallest cohort (clients) that is ever shown."
    )
    cohort_tags: dict[Slug, list[TagValue]] = Field(
        default_factory=dict,
        max_length=20,
        description="Allow-list: the tags that clients may carry, with the values of each.",
        examples=[{"region": ["north", "south"]}],
    )


class FederationOut(BaseModel):
    """A federation."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    title: str
    min_cohort_size: int
    cohort_tags: dict[str, Any]
    created_at: datetime


class PolicyOut(BaseModel):
    """A federation's policy, with its version."""

    version: int
    policy: Policy


class PolicyVersionOut(BaseModel):
    """A version of the policy: who put it in force, when and why."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    sha256: str = Field(description="Of the policy as JSON with sorted keys and no spaces.")
    set_by: str
    set_at: datetime
    why: str | None


class PolicyAtOut(PolicyVersionOut):
    """A version of the policy, whole."""

    policy: Policy


class PolicyChangeOut(BaseModel):
    """A field that a new policy would change; null on the side that does not have it."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(examples=["drift.effects.score"])
    before: Any
    after: Any


class PolicyCheckOut(BaseModel):
    """A policy that could be put in force, with defaults filled in, and what it would change."""

    version: int = Field(description="The version in force, which it is compared with.")
    policy: Policy
    changes: list[PolicyChangeOut]


# What somebody signs in as: lower case, so that nobody else's differs by case alone.
Login = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,99}$")]


class KeyIn(Body):
    """A new key."""

    holder: Holder = Field(description="Who holds it; decisions carry this name.", examples=["Ada"])
    login: Login | None = Field(
        default=None,
        description="What the person whose key it is signs in as: decisions by it are theirs.",
    )
    role: Role
    expires_in_days: int | None = Field(
        default=None, ge=1, le=3650, description="How long it opens anything; null: until revoked."
    )


class KeyOut(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    prefix: str
    holder: str
    login: str | None
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedKeyOut(KeyOut):
    """A new key with its secret, shown this once."""

    key: str
