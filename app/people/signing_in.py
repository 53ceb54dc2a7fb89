"""Ways in: a name with a password, or an API key. A password is checked in no transaction."""

from dataclasses import dataclass

from app.core.database import Database
from app.federations import service as federations
from app.federations.errors import UnauthenticatedError
from app.federations.roles import Principal
from app.people import lockout, passwords, repository, roles, sessions
from app.people.errors import NoRoleError, WrongCredentialsError, WrongKeyError
from app.people.sessions import Lifetimes
from app.people.tables import Person


@dataclass(frozen=True)
class Door:
    """Where somebody comes in: the database, the secret, and what is known of the browser."""

    database: Database
    secret_key: bytes
    lifetimes: Lifetimes
    address: str
    browser: str

    def with_password(self, login: str, password: str, old: str) -> str:
        """Sign in with a password; the new session's token. The old session, if any, ends.

        Raises:
            BlockedError: after too many failures, whatever the password.
            WrongCredentialsError: if there is no such account, or not with this password.
            NoRoleError: if the account has no role anywhere.
        """
        return self.let_in(self.prove(login.strip().casefold(), password), old)

    def prove(self, login: str, password: str) -> Person:
        """Whose name and password these are; failures are counted.

        Raises:
            BlockedError: after too many failures, whatever the password.
            WrongCredentialsError: if there is no such account, or not with this password.
        """
        self._begin(login)
        with self.database.read_scope() as session:
            person = repository.person_with_login(session, login)
        known = person if person and person.disabled_at is None else None
        if not passwords.matches(password, known.password_hash if known else None):
            self._failed(login)
            raise WrongCredentialsError
        assert known is not None  # nobody's password matches nothing
        self._succeeded(login)
        return known

    def with_key(self, key: str, old: str) -> str:
        """Sign in with an API key; the new session's token. The old session, if any, ends.

        Raises:
            BlockedError: after too many failures from this address.
            WrongKeyError: if it opens nothing.
        """
        self._begin("")
        try:
            with self.database.read_scope() as session:
                holder = federations.authenticate(session, key.strip(), self.secret_key)
        except UnauthenticatedError as error:
            self._failed("")
            raise WrongKeyError from error
        self._succeeded("")
        return self.start(holder, old)

    def let_in(self, person: Person, old: str) -> str:
        """Start a session of somebody who proved who they are; its token.

        Raises:
            NoRoleError: if they have no role anywhere.
        """
        with self.database.read_scope() as session:
            held = roles.principals_of(session, person)
        if not held:
            raise NoRoleError(person.login)
        return self.start(held[0], old)

    def start(self, holder: Principal, old: str) -> str:
        """Start a session, in place of the browser's old one; its token."""
        with self.database.session_scope() as session:
            before = sessions.read(session, old, self.lifetimes, self.secret_key) if old else None
            if before is not None:
                session.delete(before)
            return sessions.start(session, holder, self.browser, self.lifetimes, self.secret_key)

    def _begin(self, login: str) -> None:
        with self.database.session_scope() as session:
            lockout.begin(session, self.secret_key, login=login, address=self.address)

    def _failed(self, login: str) -> None:
        with self.database.session_scope() as session:
            lockout.failed(session, self.secret_key, login=login, address=self.address)

    def _succeeded(self, login: str) -> None:
        with self.database.session_scope() as session:
            lockout.succeeded(session, self.secret_key, login=login, address=self.address)
