"""What sequential detectors could see: the smallest lasting shift that would raise an alarm.

They have no formula for it, so it is tried: from where each stream stands, the coming rounds lie
further and further up, and the first shift that alarms within `ROUNDS` of them is told.
"""

from typing import Any

import numpy as np

from app.drift.measurements import Floats
from app.drift.streams import Moved
from app.drift.watching import CLIP, Chosen
from detectors import Signal, create_block

SHIFTS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, CLIP)  # in standard deviations of the reference
ROUNDS = 20
BLIND: dict[str, Any] = {"missing": f"no lasting shift would raise an alarm within {ROUNDS} rounds"}


def smallest_shifts(moved: Moved) -> dict[str, Floats]:
    """By detector, for each stream the smallest of `SHIFTS` that alarms within 20 rounds.

    NaN for a stream that it does not watch, or on which none of them would alarm.
    """
    return {chosen.key: _of(moved, chosen) for chosen in moved.detectors}


def _of(moved: Moved, chosen: Chosen) -> Floats:
    """Of one detector: all shifts are tried side by side, each on streams of its own."""
    stands, streams = moved.watch.blocks[chosen.key], len(chosen.streams)
    tried = create_block(chosen.detector, 0, **chosen.parameters)
    for _ in SHIFTS:
        tried.merge(stands)
    values = np.tile(np.repeat(SHIFTS, streams), (ROUNDS, 1))
    watched = np.tile(chosen.streams, (ROUNDS, len(SHIFTS)))
    alarms = (tried.run(values, watched) & Signal.DRIFT) > 0
    alarmed = alarms.any(axis=0).reshape(len(SHIFTS), streams)
    smallest = np.array(SHIFTS)[alarmed.argmax(axis=0)]
    return np.where(alarmed.any(axis=0), smallest, np.nan)
