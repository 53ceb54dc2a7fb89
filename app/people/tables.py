"""People: accounts, the roles they hold in federations, links to set a password, sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.database import Utc
from app.core.ids import new_id


class Person(SQLModel, table=True):
    """An account: with a password, or known to the identity provider by issuer and subject."""

    __tablename__ = "people"
    __table_args__ = (
        UniqueConstraint("issuer", "subject", name="uq_people_issuer_subject"),
        CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="identity"),
        CheckConstraint("issuer IS NULL OR password_hash IS NULL", name="one_way_in"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    login: str = Field(unique=True)
    name: str  # decisions carry it
    password_hash: str | None = Field(default=None, repr=False)  # argon2id, with its parameters
    issuer: str | None = None
    subject: str | None = None
    created_at: datetime = Field(sa_type=Utc)
    disabled_at: datetime | None = Field(default=None, sa_type=Utc)


class Membership(SQLModel, table=True):
    """A role in one federation, or (None) in all, of whoever has this login.

    It may be there before the account is, so that giving a role tells nobody who has an account.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("login", "federation_id", "source", name="uq_memberships_once"),
        Index(
            "uq_memberships_everywhere",
            "login",
            "source",
            unique=True,
            sqlite_where=text("federation_id IS NULL"),
            postgresql_where=text("federation_id IS NULL"),
        ),
        CheckConstraint("source IN ('hand', 'provider')", name="source"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    login: str
    federation_id: UUID | None = Field(default=None, foreign_key="federations.id", index=True)
    role: str
    source: str = "hand"  # or the groups that the identity provider told of at the last sign-in
    given_by: str
    given_at: datetime = Field(sa_type=Utc)


class PasswordLink(SQLModel, table=True):
    """A link with which a person sets a password, once; only its digest is kept."""

    __tablename__ = "password_links"

    digest: str = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="people.id", index=True)
    made_by: str
    expires_at: datetime = Field(sa_type=Utc)


class SignIn(SQLModel, table=True):
    """A session of the console: who, since when, until when; only its token's digest is kept."""

    __tablename__ = "sign_ins"
    __table_args__ = (
        CheckConstraint("(person_id IS NULL) <> (key_id IS NULL)", name="one_holder"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    digest: str = Field(unique=True)
    person_id: UUID | None = Field(default=None, foreign_key="people.id", index=True)
    key_id: UUID | None = Field(default=None, foreign_key="api_keys.id", index=True)
    browser: str
    started_at: datetime = Field(sa_type=Utc)
    seen_at: datetime = Field(sa_type=Utc)
    ends_at: datetime = Field(sa_type=Utc)


class SignInFailures(SQLModel, table=True):
    """How often signing in failed of late, for a login or an address, under a keyed hash."""

    __tablename__ = "sign_in_failures"

    subject: str = Field(primary_key=True)
    failures: int
    last_at: datetime = Field(sa_type=Utc)
