"""Names of clients: what people see in place of a pseudonym, and what is left of who withdrew.

Both are HMAC-SHA256 of the pseudonym under keys made from the federation's salt, which stays in the
database. A display name lasts for a period (the policy's `privacy.display_name_days`), so that what
was noted down under it says nothing of a client later; the mark of a withdrawal never changes.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.core import clock
from app.federations import service
from app.federations.roles import Permission, Principal
from app.federations.tables import Federation

FIRST_PERIOD = datetime(2026, 1, 1, tzinfo=UTC)
PSEUDONYM, DISPLAYED, WITHDRAWN = "c_", "d_", "w_"


@dataclass(frozen=True)
class Naming:
    """How clients are called before one reader."""

    key: bytes | None  # of display names; None for who may read pseudonyms

    @classmethod
    def for_reader(cls, federation: Federation, principal: Principal) -> "Naming":
        """What the reader's role asks for, now."""
        if principal.may(Permission.READ_PSEUDONYMS):
            return cls(None)
        days = service.policy_of(federation).privacy.display_name_days
        period = (clock.now() - FIRST_PERIOD) // timedelta(days=days)
        return cls(_key(federation, f"display/{days}/{period}"))

    def of(self, scope_key: str) -> str:
        """A scope's key, with `d_` and 12 hex digits in place of a pseudonym."""
        if self.key is None or not scope_key.startswith(PSEUDONYM):
            return scope_key
        return DISPLAYED + _keyed(self.key, scope_key)[:12]


def withdrawal_key(federation: Federation) -> bytes:
    """The key of `withdrawal_mark`, for many at once."""
    return _key(federation, "withdrawal")


def withdrawal_mark(key: bytes, pseudonym: str) -> str:
    """`w_` and 32 hex digits that recognise a client that withdrew, and tell nothing else."""
    return WITHDRAWN + _keyed(key, pseudonym)[:32]


def _key(federation: Federation, purpose: str) -> bytes:
    return hmac.digest(bytes.fromhex(federation.salt), purpose.encode(), "sha256")


def _keyed(key: bytes, pseudonym: str) -> str:
    return hmac.digest(key, pseudonym.encode(), "sha256").hex()
