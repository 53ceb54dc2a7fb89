"""What names the evidence that a report is made from: the same hash, the same report."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session

from app.drift import service as drift
from app.rounds.tables import Round

EDITION = 1  # of what reports show: it grows when the same evidence makes another report


def sha256_of(facts: Mapping[str, Any]) -> str:
    """The hash of everything that a report follows from; hex."""
    told = json.dumps({"edition": EDITION, **facts}, sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def of_rounds(session: Session, rounds: Iterable[Round]) -> list[list[str | None]]:
    """What was sent in each of these rounds, and what they are judged from."""
    known = list(rounds)
    inputs = drift.inputs_of(session, [round_.id for round_ in known])
    return [[str(one.id), one.body_sha256, inputs.get(one.id)] for one in known]
