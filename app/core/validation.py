"""What may be told of a validation error: where and why, and never the value that was sent."""

import re
from typing import Any

# Names that a sender made up are shown only if they could not be anything but a plain name.
_PLAIN = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")
# Messages of these types quote what was sent.
_QUOTING = {
    "union_tag_invalid": "This is none of the kinds that are known.",
    "uuid_parsing": "An id is a UUID.",
    "json_invalid": "The body is not JSON.",
}


def field_of(parts: tuple[int | str, ...]) -> str:
    """A dotted path in which names that are not plain are hidden."""
    shown = [str(part) for part in parts if part != "[key]"]  # pydantic's mark for a bad key
    return ".".join(part if _PLAIN.match(part) else "?" for part in shown)


def message_of(error: dict[str, Any]) -> str:
    """Pydantic's message, unless it quotes the value."""
    return _QUOTING.get(str(error["type"]), str(error["msg"]))
