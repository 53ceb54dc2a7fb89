"""HTTP of federations, keys and policies."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, status

from app.core.http import ReadSession, SettingsDep, WriteSession
from app.federations import service
from app.federations.dependencies import Access, Caller, everywhere, in_federation
from app.federations.errors import ForbiddenError
from app.federations.policy import Policy
from app.federations.roles import Permission, Principal
from app.federations.schemas import (
    FederationIn,
    FederationOut,
    IssuedKeyOut,
    KeyIn,
    KeyOut,
    PolicyOut,
)
from app.federations.tables import ApiKey, Federation

router = APIRouter(prefix="/v1/federations", tags=["federations"])

Founder = Annotated[Principal, Depends(everywhere(Permission.MANAGE_FEDERATIONS))]
Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
PolicySetter = Annotated[Access, Depends(in_federation(Permission.SET_POLICY))]
KeyManager = Annotated[Access, Depends(in_federation(Permission.MANAGE_KEYS))]


@router.post("", status_code=status.HTTP_201_CREATED, response_model=FederationOut)
def create_federation(body: FederationIn, caller: Founder, session: WriteSession) -> Federation:
    """Found a federation (admins of the whole service only)."""
    if caller.federation_id is not None:
        raise ForbiddenError(f"{caller.role} of one federation", Permission.MANAGE_FEDERATIONS)
    return service.create(session, body, caller.holder)


@router.get("", response_model=list[FederationOut])
def list_federations(caller: Caller, session: ReadSession) -> list[Federation]:
    """The federations that this key may see."""
    return service.seen_by(session, caller)


@router.get("/{federation}", response_model=FederationOut)
def read_federation(access: Reader, session: ReadSession) -> Federation:
    """One federation."""
    return access.federation(session)


@router.get("/{federation}/policy")
def read_policy(access: Reader, session: ReadSession) -> PolicyOut:
    """The policy in force, with its version."""
    row = access.federation(session)
    return PolicyOut(version=row.policy_version, policy=service.policy_of(row))


@router.put("/{federation}/policy")
def replace_policy(body: Policy, access: PolicySetter, session: WriteSession) -> PolicyOut:
    """Put a new policy in force; fields left out take their defaults."""
    row = access.federation(session)
    service.set_policy(session, row, body, access.actor)
    return PolicyOut(version=row.policy_version, policy=body)


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
