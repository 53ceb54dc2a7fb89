"""HTTP of federations, keys and policies."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status

from app.core.http import ReadSession, SettingsDep, WriteSession
from app.federations import service
from app.federations.dependencies import Access, Caller, in_federation, in_installation
from app.federations.policy import Policy, changes
from app.federations.roles import Permission, Principal
from app.federations.schemas import (
    FederationIn,
    FederationOut,
    IssuedKeyOut,
    KeyIn,
    KeyOut,
    PolicyAtOut,
    PolicyChangeOut,
    PolicyCheckOut,
    PolicyOut,
    PolicyVersionOut,
)
from app.federations.tables import ApiKey, Federation, PolicyVersion

router = APIRouter(prefix="/v1/federations", tags=["federations"])

Founder = Annotated[Principal, Depends(in_installation(Permission.MANAGE_FEDERATIONS))]
Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
PolicySetter = Annotated[Access, Depends(in_federation(Permission.SET_POLICY))]
KeyManager = Annotated[Access, Depends(in_federation(Permission.MANAGE_KEYS))]
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
Why = Annotated[
    str | None,
    Query(
        min_length=1, max_length=500, pattern=r"^[^\x00]*$", description="Goes into the history."
    ),
]
IfMatch = Annotated[
    str | None,
    Header(pattern=r'^(\*|"[0-9]{1,9}"|[0-9]{1,9})$', description='A version, such as `"3"`.'),
]


@router.post("", status_code=status.HTTP_201_CREATED, response_model=FederationOut)
def create_federation(body: FederationIn, caller: Founder, session: WriteSession) -> Federation:
    """Found a federation (admins of the whole service only)."""
    return service.create(session, body, caller.actor)


@router.get("", response_model=list[FederationOut])
def list_federations(caller: Caller, session: ReadSession) -> list[Federation]:
    """The federations that this key may see."""
    return service.seen_by(session, caller)


@router.get("/{federation}", response_model=FederationOut)
def read_federation(access: Reader, session: ReadSession) -> Federation:
    """One federation."""
    return access.federation(session)


@router.get("/{federation}/policy")
def read_policy(access: Reader, session: ReadSession, response: Response) -> PolicyOut:
    """The policy in force, with its version, which is the `ETag` too."""
    row = access.federation(session)
    return _in_force(row, service.policy_of(row), response)


@router.put("/{federation}/policy")
def replace_policy(
    body: Policy,
    access: PolicySetter,
    session: WriteSession,
    response: Response,
    why: Why = None,
    if_match: IfMatch = None,
) -> PolicyOut:
    """Put a new policy in force; fields left out take their defaults.

    With `If-Match` it does so only while that version is in force, else 409.
    """
    row = access.federation(session)
    expected = None if if_match in {None, "*"} else int(str(if_match).strip('"'))
    service.set_policy(session, row, body, access.actor, why=why, expected=expected)
    return _in_force(row, body, response)


@router.post("/{federation}/policy/check")
def check_policy(body: Policy, access: Reader, session: ReadSession) -> PolicyCheckOut:
    """Say what putting this policy in force would change, and change nothing."""
    row = access.federation(session)
    service.check_policy(body)
    found = changes(service.policy_of(row), body)
    return PolicyCheckOut(
        version=row.policy_version,
        policy=body,
        changes=[PolicyChangeOut.model_validate(change) for change in found],
    )


@router.get("/{federation}/policy/versions", response_model=list[PolicyVersionOut])
def list_policy_versions(
    access: Reader, session: ReadSession, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[PolicyVersion]:
    """The newest versions of the policy, newest first; every version is kept."""
    return service.policy_versions(session, access.federation(session), limit)


@router.get("/{federation}/policy/versions/{version}")
def read_policy_version(
    version: VersionNumber, access: Reader, session: ReadSession
) -> PolicyAtOut:
    """The policy that was in force under this version number."""
    row = service.policy_version(session, access.federation(session), version)
    facts = PolicyVersionOut.model_validate(row).model_dump()
    return PolicyAtOut(**facts, policy=Policy.model_validate(row.document))


def _in_force(row: Federation, policy: Policy, response: Response) -> PolicyOut:
    response.headers["ETag"] = f'"{row.policy_version}"'
    return PolicyOut(version=row.policy_version, policy=policy)


@router.post("/{federation}/keys", status_code=status.HTTP_201_CREATED)
def issue_key(
    body: KeyIn, access: KeyManager, session: WriteSession, settings: SettingsDep
) -> IssuedKeyOut:
    """Issue a key; its text is in this answer and nowhere else."""
    federation = access.federation(session)
    row, text = service.issue_key(session, federation, body, access.actor, settings.secret_key)
    return IssuedKeyOut(**KeyOut.model_validate(row).model_dump(), key=text)


@router.get("/{federation}/keys", response_model=list[KeyOut])
def list_keys(access: KeyManager, session: ReadSession) -> list[ApiKey]:
    """The federation's keys, without their secrets."""
    return service.keys_of(session, access.federation(session))


@router.delete("/{federation}/keys/{key_id}", response_model=KeyOut)
def revoke_key(key_id: UUID, access: KeyManager, session: WriteSession) -> ApiKey:
    """Revoke a key at once."""
    return service.revoke_key(session, access.federation(session), key_id, access.actor)
