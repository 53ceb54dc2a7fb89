"""``Outcome``: what a Flower run tells the worker that started it, by a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Outcome:
    """The file that a ServerApp is given the path of, as ``vigie-outcome`` in its run config.

    The worker and the ServerApp share the folder, as a SuperLink's subprocesses share its disk.
    """

    def __init__(self, path: str | Path) -> None:
        """Touch nothing yet."""
        self.path = Path(path)

    def round_done(self, number: int) -> None:
        """Say that ``number`` rounds are done."""
        self._write({"rounds": number})

    def finish(self, weights_sha256: str, rounds: int, artifact_uri: str | None = None) -> None:
        """Say which weights the run made, in how many rounds, and where they lie if they do."""
        self._write(
            {"rounds": rounds, "weights_sha256": weights_sha256, "artifact_uri": artifact_uri}
        )

    @property
    def rounds(self) -> int:
        """How many rounds are done, as far as is told."""
        return int(self.read().get("rounds", 0))

    def read(self) -> dict[str, Any]:
        """Return what was told last; empty before anything was."""
        try:
            told = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        return told if isinstance(told, dict) else {}

    def _write(self, told: Mapping[str, Any]) -> None:
        """Write it whole or not at all: the worker reads while the run goes on."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.replace(self.path)
