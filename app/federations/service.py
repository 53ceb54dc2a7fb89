"""Decisions on federations, keys and policies."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.federations import keys, repository
from app.federations.errors import (
    NameTakenError,
    PolicyChangedError,
    PolicyTooLargeError,
    UnauthenticatedError,
)
from app.federations.policy import Policy
from app.federations.policy.document import canonical, document_of, sha256_of
from app.federations.roles import Principal, Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import ApiKey, Federation, PolicyVersion

BOOTSTRAP = "first start"
MOST_POLICY_BYTES = 256 * 1024


def create(session: Session, body: FederationIn, actor: str) -> Federation:
    """Found a federation with the default policy.

    Raises:
        NameTakenError: if there is one of that name.
    """
    federation = Federation(
        name=body.name,
        title=body.title,
        min_cohort_size=body.min_cohort_size,
        cohort_tags=dict(body.cohort_tags),
        policy=document_of(Policy()),
        created_at=clock.now(),
    )
    if not repository.insert_federation(session, federation):
        raise NameTakenError("federation", body.name)
    _keep_version(session, federation, actor, None)
    audit.record(
        session,
        actor=actor,
        action="federation.create",
        entity=f"federation:{federation.name}",
        federation_id=federation.id,
        after=body.model_dump(mode="json"),
    )
    return federation


def visible_to(session: Session, principal: Principal, name: str) -> Federation:
    """The federation of that name, if the caller may know of it.

    Raises:
        NotFoundError: if it does not exist or is another tenant's; the two answers are the same.
    """
    return _seen(principal, repository.federation_named(session, name), name)


def get(session: Session, federation_id: UUID) -> Federation:
    """The federation with that id, which the caller has from a row that refers to it."""
    federation = repository.federation(session, federation_id)
    if federation is None:
        raise NotFoundError("federation", federation_id)
    return federation


def named(session: Session, name: str) -> Federation:
    """A federation by its name, for whoever has the machine itself.

    Raises:
        NotFoundError: if there is none.
    """
    found = repository.federation_named(session, name)
    if found is None:
        raise NotFoundError("federation", name)
    return found


def seen_by(session: Session, principal: Principal) -> list[Federation]:
    """The federations that the caller may know of, by name."""
    return repository.federations_seen_by(session, principal.federation_id)


def everyone(session: Session) -> list[Federation]:
    """Every federation, for work that runs by itself."""
    return repository.federations_seen_by(session, None)


def policy_of(federation: Federation) -> Policy:
    """The policy in force."""
    return Policy.model_validate(federation.policy)


def policy_at(session: Session, federation: Federation, version: int) -> Policy:
    """The policy that was in force under a version number, as verdicts name it.

    Raises:
        NotFoundError: if the federation never had a version of that number.
    """
    return Policy.model_validate(policy_version(session, federation, version).document)


def policy_version(session: Session, federation: Federation, version: int) -> PolicyVersion:
    """One version of the policy, with who set it, when and why.

    Raises:
        NotFoundError: if the federation never had a version of that number.
    """
    row = repository.policy_version(session, federation.id, version)
    if row is None:
        raise NotFoundError("policy version", version)
    return row


def policy_versions(
    session: Session, federation: Federation, limit: int = 50
) -> list[PolicyVersion]:
    """The newest versions of the policy, newest first."""
    return repository.policy_versions(session, federation.id, limit)


def check_policy(policy: Policy) -> dict[str, Any]:
    """The document that a policy is stored as.

    Raises:
        PolicyTooLargeError: if it is over the cap.
    """
    document = document_of(policy)
    if (size := len(canonical(document))) > MOST_POLICY_BYTES:
        raise PolicyTooLargeError(size, MOST_POLICY_BYTES)
    return document


def set_policy(
    session: Session,
    federation: Federation,
    policy: Policy,
    actor: str,
    *,
    why: str | None = None,
    expected: int | None = None,
) -> None:
    """Put a new policy in force, under the next version number.

    Raises:
        PolicyChangedError: if version `expected`, where one is given, is no longer in force.
        PolicyTooLargeError: if it is over the cap.
    """
    document = check_policy(policy)
    repository.lock_federation(session, federation)
    if expected is not None and expected != federation.policy_version:
        raise PolicyChangedError(expected, federation.policy_version)
    before = {"version": federation.policy_version, "policy": federation.policy}
    federation.policy = document
    federation.policy_version += 1
    session.add(federation)
    _keep_version(session, federation, actor, why)
    audit.record(
        session,
        actor=actor,
        action="federation.set_policy",
        entity=f"federation:{federation.name}",
        federation_id=federation.id,
        before=before,
        after={"version": federation.policy_version, "policy": federation.policy},
        why=why,
    )


def _keep_version(session: Session, federation: Federation, actor: str, why: str | None) -> None:
    """Keep the policy in force in the history."""
    kept = PolicyVersion(
        federation_id=federation.id,
        version=federation.policy_version,
        document=federation.policy,
        sha256=sha256_of(federation.policy),
        set_by=actor,
        set_at=clock.now(),
        why=why,
    )
    session.add(kept)


def issue_key(
    session: Session, federation: Federation | None, body: KeyIn, actor: str, secret_key: bytes
) -> tuple[ApiKey, str]:
    """Issue a key for one federation, or (None) for all; returns the row and the key's text."""
    issued = keys.issue(secret_key)
    row = ApiKey(
        federation_id=federation.id if federation else None,
        prefix=issued.prefix,
        digest=issued.digest,
        role=body.role.value,
        holder=body.holder,
        login=body.login,
        created_at=clock.now(),
        expires_at=_expiry(body),
    )
    session.add(row)
    session.flush()
    _audit_key(session, row, actor, "key.issue")
    return row, issued.text


def revoke_key(session: Session, federation: Federation, key_id: UUID, actor: str) -> ApiKey:
    """Revoke a key at once; revoking it again changes nothing."""
    row = repository.key_of(session, federation.id, key_id)
    if row is None:
        raise NotFoundError("key", key_id)
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        session.add(row)
        _audit_key(session, row, actor, "key.revoke")
    return row


def keys_of(session: Session, federation: Federation) -> list[ApiKey]:
    """A federation's keys, oldest first."""
    return repository.keys_of(session, federation.id)


def authenticate(session: Session, text: str, secret_key: bytes) -> Principal:
    """Who holds the key.

    Raises:
        UnauthenticatedError: for whatever reason; the answer does not say which.
    """
    prefix = keys.prefix_of(text)
    row = repository.key_with_prefix(session, prefix) if prefix else None
    return _holder(row, text, secret_key)


def authenticate_in(
    session: Session, name: str, text: str, secret_key: bytes
) -> tuple[Principal, Federation]:
    """Who holds the key, and the federation of that name, as `authenticate` and `visible_to`.

    Raises:
        UnauthenticatedError: for whatever reason; the answer does not say which.
        NotFoundError: if it does not exist or is another tenant's; the two answers are the same.
    """
    prefix = keys.prefix_of(text)
    row, federation = (
        repository.key_and_federation(session, prefix, name) if prefix else (None, None)
    )
    principal = _holder(row, text, secret_key)
    return principal, _seen(principal, federation, name)


def principal_of_key(session: Session, key_id: UUID) -> Principal | None:
    """Who holds the key with that id; None when there is none, or it opens nothing any more."""
    row = repository.key_with_id(session, key_id)
    if row is None or not _opens(row):
        return None
    return _principal(row)


def _holder(row: ApiKey | None, text: str, secret_key: bytes) -> Principal:
    if row is None or not _opens(row) or not keys.matches(text, row.digest, secret_key):
        raise UnauthenticatedError
    return _principal(row)


def _seen(principal: Principal, federation: Federation | None, name: str) -> Federation:
    if federation is None or not principal.sees(federation.id):
        raise NotFoundError("federation", name)
    return federation


def _principal(row: ApiKey) -> Principal:
    return Principal(row.id, row.holder, Role(row.role), row.federation_id, login=row.login)


def _opens(row: ApiKey) -> bool:
    """Whether a key was neither revoked nor has expired."""
    return row.revoked_at is None and (row.expires_at is None or clock.now() < row.expires_at)


def _expiry(body: KeyIn) -> datetime | None:
    """When a key that is made now ends; None: never by itself."""
    days = body.expires_in_days
    return None if days is None else clock.now() + timedelta(days=days)


def bootstrap_admin(session: Session, secret_key: bytes) -> str | None:
    """The first admin's key, made once; None when there is an admin already."""
    if repository.system_admins(session):
        return None
    body = KeyIn(holder="admin", role=Role.ADMIN)
    return issue_key(session, None, body, BOOTSTRAP, secret_key)[1]


def _audit_key(session: Session, row: ApiKey, actor: str, action: str) -> None:
    expires = row.expires_at.isoformat() if row.expires_at else None
    audit.record(
        session,
        actor=actor,
        action=action,
        entity=f"key:{row.prefix}",
        federation_id=row.federation_id,
        after={
            "holder": row.holder,
            "login": row.login,
            "role": row.role,
            "expires_at": expires,
            "revoked": row.revoked_at is not None,
        },
    )
