"""Who somebody is here, of whom the identity provider has said who they are."""

import re
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlmodel import Session

from app.core import clock
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import Holder, Login
from app.people import repository, roles, service
from app.people.errors import LoginTakenError, NoRoleError, ProviderRefusedError
from app.people.roles import Groups
from app.people.tables import Person

PROVIDER = "identity provider"
_LOGIN, _NAME = TypeAdapter(Login), TypeAdapter(Holder)


def person_of(
    session: Session,
    claims: dict[str, Any],
    *,
    login_claim: str,
    groups_claim: str,
    mapping: dict[str, list[str]],
) -> Person:
    """The account of who the claims are about, made at the first sign-in, with its groups' roles.

    Somebody is the same by issuer and subject, whatever else they are called later.

    Raises:
        ProviderRefusedError: if the account is disabled, or the claims give no usable login.
        LoginTakenError: if another account has that login.
        NoRoleError: if neither the groups nor anybody here gives them a role.
    """
    person = repository.person_known_as(session, claims["iss"], str(claims["sub"]))
    if person is None:
        person = _made(session, claims, login_claim)
    if person.disabled_at is not None:
        raise ProviderRefusedError
    told = claims.get(groups_claim)
    roles.set_groups(session, person, _roles_of(session, told, mapping))
    if not roles.principals_of(session, person):
        raise NoRoleError(person.login)
    return person


def _made(session: Session, claims: dict[str, Any], login_claim: str) -> Person:
    login = _login(claims, login_claim)
    person = Person(
        login=login,
        name=_name(claims) or login,
        issuer=claims["iss"],
        subject=str(claims["sub"]),
        created_at=clock.now(),
    )
    if not repository.insert_person(session, person):
        raise LoginTakenError(login)
    after = {"login": login, "name": person.name, "issuer": person.issuer}
    service.tell(session, person, "person.add", PROVIDER, after=after)
    return person


def _login(claims: dict[str, Any], claim: str) -> str:
    """The login; an address that the provider has not verified could be anybody's."""
    told = claims.get(claim)
    if not isinstance(told, str):
        raise ProviderRefusedError
    if claim == "email" and claims.get("email_verified") is not True:
        raise ProviderRefusedError
    try:
        return _LOGIN.validate_python(told.casefold())
    except ValidationError as error:
        raise ProviderRefusedError from error


def _name(claims: dict[str, Any]) -> str | None:
    plain = re.sub(r"[^\w .@'-]", "", str(claims.get("name", ""))).strip()[:100]
    try:
        return _NAME.validate_python(plain)
    except ValidationError:
        return None


def _roles_of(session: Session, told: object, mapping: dict[str, list[str]]) -> Groups:
    """The roles of the groups; of two for one federation, the one that the setting names first."""
    member_of = told if isinstance(told, list) else []
    named = [one for group, given in mapping.items() if group in member_of for one in given]
    known = {row.name: row.id for row in federations.everyone(session)}
    found: Groups = {}
    for federation, _, role in (one.rpartition(":") for one in named):
        if federation == "*" or federation in known:
            found.setdefault(known.get(federation), Role(role))
    return found
