"""Bin specs on disk: an id is a hash of the content, so what was fetched once is right for ever."""

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigie_client.canonical import canonical
from vigie_client.files import write_atomically

log = logging.getLogger("vigie_client")

_ID = re.compile(r"bs_[0-9a-f]{16}")


class BinCache:
    """A folder with one file a bin spec; what cannot be read or written there is fetched anew."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """Left out, the folder is ``vigie`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``."""
        self._folder = Path(folder) if folder is not None else _users_folder()

    def get(self, bin_spec: str) -> dict[str, Any] | None:
        """Return the spec, ``None`` when it is not here; ``ValueError`` for an id that is none."""
        try:
            spec = json.loads(self._path(bin_spec).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
            log.warning("The kept bin spec %s cannot be read: %s", bin_spec, error)
            return None
        return spec if isinstance(spec, dict) and spec.get("id") == bin_spec else None

    def put(self, bin_spec: str, spec: Mapping[str, Any]) -> None:
        """Keep the spec, if the disk allows."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(bin_spec), canonical(dict(spec)))
        except OSError as error:
            log.warning("The bin spec %s cannot be kept: %s", bin_spec, error)

    def _path(self, bin_spec: str) -> Path:
        if not _ID.fullmatch(bin_spec):
            raise ValueError(
                f"{bin_spec!r} is no bin spec's id; expected bs_ and 16 hex digits, as "
                "VigieApi.put_bin_spec returns."
            )
        return self._folder / f"{bin_spec}.json"


def _users_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vigie"
