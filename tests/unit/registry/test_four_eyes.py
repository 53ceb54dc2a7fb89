"""Nobody decides on their own work, by whichever key or session they come in."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from app.core.database import Database
from app.federations import service as federations
from app.federations.roles import Principal, Role
from app.federations.schemas import KeyIn
from app.federations.tables import Federation
from app.people import roles
from app.people import service as people
from app.registry import four_eyes, service
from app.registry.errors import AlreadyApprovedError, FourEyesError, NotTheAuthorError
from app.registry.identity import identity_of, same_person
from app.registry.tables import Promotion
from tests.unit.registry.lifecycle import MODEL, register

SECRET = b"s" * 32


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session_scope() as session:
        yield session


class People:
    """Who comes in with keys and accounts, as the service sees them."""

    def __init__(self, session: Session, federation: Federation) -> None:
        self.session, self.federation = session, federation

    def key(self, holder: str, login: str | None = None) -> Principal:
        body = KeyIn(holder=holder, role=Role.VALIDATOR, login=login)
        _, text = federations.issue_key(self.session, self.federation, body, "test", SECRET)
        return federations.authenticate(self.session, text, SECRET)

    def person(self, login: str, name: str) -> Principal:
        person = people.add(self.session, login, name, "test")
        roles.give(self.session, login, self.federation.id, Role.VALIDATOR, "test")
        self.session.flush()
        (principal,) = roles.principals_of(self.session, person)
        return principal


@pytest.fixture
def who(session: Session, federation: Federation) -> People:
    return People(session, federation)


@pytest.fixture
def candidate(session: Session, federation: Federation) -> None:
    register(session, federation, 1)
    register(session, federation, 2)


def submit(session: Session, federation: Federation, by: Principal) -> Promotion:
    made = service.draft_promotion(session, federation, MODEL, "2", by.actor, "better")
    return service.submit(session, federation, made.id, by.actor)


def approve(session: Session, federation: Federation, which: UUID, by: Principal) -> Promotion:
    seen = service.get_promotion(session, federation.id, which).evidence_sha256 or ""
    return service.approve(
        session, federation, which, by.actor, "agreed", role=by.role, evidence_sha256=seen
    )


@pytest.mark.usefixtures("candidate")
def test_two_keys_of_a_person_are_one_person(
    session: Session, federation: Federation, who: People
) -> None:
    promotion = submit(session, federation, who.key("Ada", "ada"))
    with pytest.raises(FourEyesError, match="submitted it"):
        approve(session, federation, promotion.id, who.key("A. Lovelace", "ada"))
    with pytest.raises(FourEyesError):
        service.reject(session, federation, promotion.id, who.key("A. Lovelace", "ada").actor, "no")


@pytest.mark.usefixtures("candidate")
def test_a_key_and_a_session_of_a_person_are_one_person(
    session: Session, federation: Federation, who: People
) -> None:
    promotion = submit(session, federation, who.key("ci", "ada"))
    with pytest.raises(FourEyesError):
        approve(session, federation, promotion.id, who.person("ada", "Ada Lovelace"))


@pytest.mark.usefixtures("candidate")
def test_two_people_of_one_name_are_two(
    session: Session, federation: Federation, who: People
) -> None:
    promotion = submit(session, federation, who.person("grace", "Grace"))
    decided = approve(session, federation, promotion.id, who.person("grace2", "Grace"))
    assert (decided.state, decided.decided_by) == ("approved", "Grace")
    assert (decided.submitted_by_id, decided.decided_by_id) == ("login:grace", "login:grace2")


@pytest.mark.usefixtures("candidate")
def test_of_a_key_that_is_nobodys_the_name_counts(
    session: Session, federation: Federation, who: People
) -> None:
    promotion = submit(session, federation, who.key("Ada"))
    with pytest.raises(FourEyesError):
        approve(session, federation, promotion.id, who.key(" ada".strip()))
    with pytest.raises(FourEyesError):
        approve(session, federation, promotion.id, who.person("lovelace", "Ada"))
    assert approve(session, federation, promotion.id, who.key("Grace")).state == "approved"


def test_who_made_the_candidate_does_not_decide_whatever_the_name(
    session: Session, federation: Federation, who: People
) -> None:
    register(session, federation, 1)
    register(session, federation, 2, actor=who.key("trainer", "dev").actor)
    promotion = submit(session, federation, who.key("Ada"))
    with pytest.raises(FourEyesError, match="registered the candidate"):
        approve(session, federation, promotion.id, who.person("dev", "Dev"))


@pytest.mark.usefixtures("candidate")
@pytest.mark.parametrize("named", ["Dev Eloper", "dev"])
def test_the_developer_in_the_inventory_does_not_decide(
    session: Session,
    federation: Federation,
    who: People,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(four_eyes, "developer_of", lambda session, model: named)
    promotion = submit(session, federation, who.key("Ada"))
    with pytest.raises(FourEyesError, match="develops the model"):
        approve(session, federation, promotion.id, who.person("dev", "dev eloper"))


@pytest.mark.usefixtures("candidate")
def test_one_person_has_one_approval_and_one_author_submits(
    session: Session, federation: Federation, who: People
) -> None:
    draft = service.draft_promotion(
        session, federation, MODEL, "2", who.key("Ada", "ada").actor, "better"
    )
    with pytest.raises(NotTheAuthorError):
        service.submit(session, federation, draft.id, who.person("ada2", "Ada").actor)
    service.submit(session, federation, draft.id, who.key("x", "ada").actor)
    draft.required = ["validator", "validator"]
    approve(session, federation, draft.id, who.key("Grace", "grace"))
    with pytest.raises(AlreadyApprovedError):
        approve(session, federation, draft.id, who.person("grace", "G. Hopper"))


def test_what_counts_as_an_identity() -> None:
    key, person = uuid4(), uuid4()
    unnamed = Principal(key, "Ada", Role.OWNER, None).actor
    named = Principal(person, "Ada", Role.OWNER, None, is_person=True, login="ada").actor
    assert identity_of(unnamed) == f"key:{key}"
    assert identity_of(named) == "login:ada"
    assert identity_of(" Worker ") == "name:worker"
    assert same_person(named, "ada ", "name:ada"), "what was there before has names alone"
