"""The `filesystem://` broker, made safe for processes that may end at any moment.

Kombu's own writes a message where others already look for it, so that a reader can meet half of one
and its worker ends with a JSONDecodeError; it also passes messages through the system's temporary
folder, and keeps its bindings in a file that a killed process can leave empty for ever. Here a
message appears whole or not at all, belongs to whoever removes it, and bindings stay in memory,
where every process that publishes or consumes declares them anyway.
"""

import json
import time
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem, virtual

DRAFT = ".draft"


class Channel(filesystem.Channel):  # type: ignore[misc]  # kombu has no types
    """One file a message, in one folder that all processes share."""

    supports_fanout = False  # only fanout would need the bindings of other processes
    get_table = virtual.Channel.get_table
    _delete = virtual.Channel._delete  # noqa: SLF001 - the parent's edits the file of bindings

    def _put(self, queue: str, payload: dict[str, Any], **_kwargs: object) -> None:
        """Store a message, whole."""
        message = Path(self.data_folder_out) / f"{time.time_ns()}_{uuid4()}.{queue}.msg"
        draft = message.with_name(message.name + DRAFT)
        draft.write_text(json.dumps(payload))
        draft.rename(message)

    def _get(self, queue: str) -> dict[str, Any]:
        """Take the oldest message out of a queue.

        Raises:
            Empty: when there is none.
        """
        for message in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            try:
                text = message.read_text()
                message.unlink()
            except FileNotFoundError:
                continue  # another worker has it
            payload: dict[str, Any] = json.loads(text)
            return payload
        raise Empty


class Transport(filesystem.Transport):  # type: ignore[misc]  # kombu has no types
    """Kombu's file transport with the channel above."""

    Channel = Channel
