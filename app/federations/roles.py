"""Roles, and what each may do: the whole of authorisation in one table."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.audit.service import Actor


class Role(StrEnum):
    """What a person, or the holder of a key, is in a federation."""

    INGEST = "ingest"  # an FL server
    VIEWER = "viewer"  # looks at what is shown of a federation and its cohorts
    ANALYST = "analyst"  # a data scientist: single clients too
    ON_CALL = "on_call"
    DEVELOPER = "developer"  # of model versions: registers them, drafts promotions
    OWNER = "owner"  # of the models: submits promotions, sets the policy
    VALIDATOR = "validator"  # decides on promotions
    AUDITOR = "auditor"
    ADMIN = "admin"  # of keys and federations; decides on nothing


class Permission(StrEnum):
    """One thing that a route asks for."""

    READ = "read"
    READ_CLIENTS = "read_clients"  # per-client values: they show a participant's shifts
    READ_PSEUDONYMS = "read_pseudonyms"  # under those the FL server knows, not display names
    WITHDRAW_CLIENTS = "withdraw_clients"
    PUSH_ROUNDS = "push_rounds"
    CLAIM_RETRAINING = "claim_retraining"
    REGISTER_VERSIONS = "register_versions"
    HANDLE_INCIDENTS = "handle_incidents"
    REQUEST_RETRAINING = "request_retraining"
    FREEZE_REFERENCES = "freeze_references"
    SET_POLICY = "set_policy"
    SUBMIT_PROMOTIONS = "submit_promotions"
    DECIDE_PROMOTIONS = "decide_promotions"
    COMMENT_PROMOTIONS = "comment_promotions"
    READ_AUDIT = "read_audit"
    MANAGE_KEYS = "manage_keys"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_FEDERATIONS = "manage_federations"


P = Permission
ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.INGEST: frozenset({P.READ, P.PUSH_ROUNDS, P.CLAIM_RETRAINING, P.REGISTER_VERSIONS}),
    Role.VIEWER: frozenset({P.READ}),
    Role.ANALYST: frozenset({P.READ, P.READ_CLIENTS, P.COMMENT_PROMOTIONS}),
    Role.ON_CALL: frozenset(
        {
            P.READ,
            P.READ_CLIENTS,
            P.HANDLE_INCIDENTS,
            P.REQUEST_RETRAINING,
            P.COMMENT_PROMOTIONS,
        }
    ),
    Role.DEVELOPER: frozenset(
        {
            P.READ,
            P.READ_CLIENTS,
            P.REQUEST_RETRAINING,
            P.REGISTER_VERSIONS,
            P.SUBMIT_PROMOTIONS,
            P.COMMENT_PROMOTIONS,
        }
    ),
    Role.OWNER: frozenset(
        {
            P.READ,
            P.READ_CLIENTS,
            P.READ_PSEUDONYMS,
            P.WITHDRAW_CLIENTS,
            P.HANDLE_INCIDENTS,
            P.REQUEST_RETRAINING,
            P.REGISTER_VERSIONS,
            P.FREEZE_REFERENCES,
            P.SET_POLICY,
            P.SUBMIT_PROMOTIONS,
            P.COMMENT_PROMOTIONS,
        }
    ),
    Role.VALIDATOR: frozenset(
        {P.READ, P.READ_CLIENTS, P.DECIDE_PROMOTIONS, P.COMMENT_PROMOTIONS, P.READ_AUDIT}
    ),
    Role.AUDITOR: frozenset({P.READ, P.READ_AUDIT, P.COMMENT_PROMOTIONS}),
    Role.ADMIN: frozenset(
        {
            P.READ,
            P.READ_AUDIT,
            P.WITHDRAW_CLIENTS,
            P.MANAGE_KEYS,
            P.MANAGE_PEOPLE,
            P.MANAGE_FEDERATIONS,
        }
    ),
}


@dataclass(frozen=True)
class Principal:
    """Who is calling: a person or the holder of a key, in one federation or (None) in all."""

    id: UUID  # of the person or the key
    holder: str
    role: Role
    federation_id: UUID | None
    is_person: bool = False
    login: str | None = None  # the person's, of a key too where it is known whose that is

    @property
    def actor(self) -> Actor:
        """The name that goes onto decisions, with the id that the audit log keeps beside it."""
        kind = "person" if self.is_person else "key"
        return Actor(self.holder, f"{kind}:{self.id}", self.login)

    def may(self, permission: Permission) -> bool:
        """Whether the role has the permission (which federation is asked elsewhere)."""
        return permission in ALLOWED[self.role]

    def sees(self, federation_id: UUID) -> bool:
        """Whether the role is held in that federation, or in all."""
        return self.federation_id in (None, federation_id)
