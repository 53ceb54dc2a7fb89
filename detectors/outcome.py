"""The four answers a verdict can give."""

from enum import StrEnum


class Outcome(StrEnum):
    """What a detector concluded; too little evidence is an answer of its own, never `stable`."""

    STABLE = "stable"
    WARNING = "warning"
    DRIFT = "drift"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
