"""One push as it lies in the spool: its address on the first line, then the body, byte for byte."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vigie_client.bodies import Body
from vigie_client.canonical import canonical
from vigie_client.models import LONGEST_NAME, PHASES, Phase


@dataclass(frozen=True)
class Address:
    """Where a push goes: what, with the attempt in its body, the service takes once.

    ``ValueError`` for one that no service could take.
    """

    federation: str
    run: str
    round: int
    phase: Phase

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise ValueError(f"phase is {self.phase!r}; expected one of {', '.join(PHASES)}.")
        if not 1 <= len(self.run) <= LONGEST_NAME:
            raise ValueError(f"run has {len(self.run)} characters; expected 1 to {LONGEST_NAME}.")
        if self.round < 0:
            raise ValueError(f"round is {self.round}; expected 0 or more.")

    def __str__(self) -> str:
        return f"{self.phase} round {self.round} of run {self.run}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Address":
        """Read it back; ``TypeError`` or ``KeyError`` when it is none."""
        return cls(data["federation"], data["run"], data["round"], data["phase"])


@dataclass(frozen=True)
class Push:
    """One round and phase of one run, on its way to the service."""

    address: Address
    body: Body

    def to_bytes(self) -> bytes:
        """Return what the spool keeps."""
        head = {**self.address.to_json(), "media_type": self.body.media_type}
        return canonical(head) + b"\n" + self.body.data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Push":
        """Read it back; ``ValueError`` when somebody else wrote it."""
        line, _, body = data.partition(b"\n")
        try:
            head = json.loads(line)
            media_type = head.get("media_type", Body.media_type)  # earlier versions named none
            return cls(Address.from_json(head), Body(body, media_type))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"The first line is not a push's address: {error!r}") from error
