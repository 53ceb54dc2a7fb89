"""API bodies of people and their roles."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.federations.roles import Role
from app.federations.schemas import Body, Holder, Login


class PersonIn(Body):
    """A new account."""

    login: Login = Field(description="What they sign in as.", examples=["grace"])
    name: Holder = Field(description="Decisions carry this name.", examples=["Grace Hopper"])


class PersonOut(BaseModel):
    """An account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    login: str
    name: str
    issuer: str | None = Field(description="The identity provider; null: a password here.")
    created_at: datetime
    disabled_at: datetime | None


class LinkOut(BaseModel):
    """A link to set a password, told this once. Hand it over by a way that you trust."""

    url: str
    expires_at: datetime


class InvitedOut(PersonOut):
    """A new account, and the link with which its person sets their password."""

    link: LinkOut


class RoleIn(Body):
    """A role to give."""

    role: Role


class MembershipOut(BaseModel):
    """A role that somebody holds."""

    model_config = ConfigDict(from_attributes=True)

    login: str
    role: Role
    source: Literal["hand", "provider"] = Field(
        description="Given by hand, or by the identity provider's groups."
    )
    given_by: str
    given_at: datetime
