"""One push as it lies in the spool: its address on the first line, then the body, byte for byte."""

import json
from dataclasses import dataclass

from vigie_client.canonical import canonical
from vigie_client.models import LONGEST_NAME, PHASES, Phase


@dataclass(frozen=True)
class Push:
    """One round and phase of one run, on its way to the service."""

    federation: str
    run: str
    round: int
    phase: Phase
    body: bytes

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise ValueError(f"phase is {self.phase!r}; expected one of {', '.join(PHASES)}.")
        if not 1 <= len(self.run) <= LONGEST_NAME:
            raise ValueError(f"run has {len(self.run)} characters; expected 1 to {LONGEST_NAME}.")
        if self.round < 0:
            raise ValueError(f"round is {self.round}; expected 0 or more.")

    def __str__(self) -> str:
        return f"{self.phase} round {self.round} of run {self.run}"

    def to_bytes(self) -> bytes:
        """Return what the spool keeps."""
        address = {
            "federation": self.federation,
            "run": self.run,
            "round": self.round,
            "phase": self.phase,
        }
        return canonical(address) + b"\n" + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> "Push":
        """Read it back; ``ValueError`` when somebody else wrote it."""
        line, _, body = data.partition(b"\n")
        try:
            return cls(**json.loads(line), body=body)
        except TypeError as error:
            raise ValueError(f"The first line is not a push's address: {error}") from error
