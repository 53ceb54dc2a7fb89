"""Errors and texts as they may stand in a log: without secrets, pseudonyms, or what was sent."""

import re
import traceback
from collections.abc import Iterator

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

MOST = 2000  # characters of an error
HIDDEN = "[hidden]"
_SECRETS = re.compile(
    r"(?<![A-Za-z0-9])(?:vg_[A-Za-z0-9_-]{8,}"  # API keys
    r"|c_[0-9a-f]{32}"  # pseudonyms
    r"|whsec_[A-Za-z0-9+/=_-]{8,}"  # secrets of webhooks
    r"|Bearer\s+[^\s\"',]+)"
)
_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]+@")  # in an address


def without_secrets(text: str) -> str:
    """The text, with what looks like a key, a pseudonym or a password taken out."""
    return _PASSWORD.sub(rf"\1:{HIDDEN}@", _SECRETS.sub(HIDDEN, text))


def told(error: BaseException) -> str:
    """An error's type and words; of those that quote values, the words without them."""
    return without_secrets(f"{type(error).__name__}: {_words(error)}")[:MOST]


def trace_of(error: BaseException) -> str:
    """Where an error came from, its causes first: places in the code, and what `told` says."""
    parts = [f"{''.join(traceback.format_tb(e.__traceback__))}{told(e)}" for e in _chain(error)]
    return "\n\n".join(reversed(parts))


def _words(error: BaseException) -> str:
    if isinstance(error, DBAPIError):  # PostgreSQL quotes values below its first line
        return str(error.orig).partition("\n")[0]
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in found)
    return str(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
