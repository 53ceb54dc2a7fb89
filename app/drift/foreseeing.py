"""What sequential detectors could see: the smallest lasting shift that would raise an alarm.

They have no formula for it, so it is tried: from where each stream stands, the coming rounds lie
further and further up, and the first shift that alarms within `ROUNDS` of them is told.
"""

from typing import Any

import numpy as np

from app.drift.measurements import Floats
from app.drift.streams import Moved
from app.drift.watching import CLIP, Chosen
from detectors import Signal, block_class

SHIFTS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, CLIP)  # in standard deviations of the reference
ROUNDS = 20
BLIND: dict[str, Any] = {"missing": f"no lasting shift would raise an alarm within {ROUNDS} rounds"}


def smallest_shifts(moved: Moved) -> dict[str, Floats]:
    """By detector, for each stream the smallest of `SHIFTS` that alarms within 20 rounds.

    NaN for a stream that it does not watch, or on which none of them would alarm.
    """
    return {chosen.key: _of(moved, chosen) for chosen in moved.detectors}


def _of(moved: Moved, chosen: Chosen) -> Floats:
    stands = moved.watch.blocks[chosen.key].snapshot()
    smallest = np.full(len(chosen.streams), np.nan)
    for shift in SHIFTS:
        unknown = np.isnan(smallest) & chosen.streams
        if not unknown.any():
            break
        block = block_class(chosen.detector).restore(stands)
        values = np.full(len(smallest), shift)
        alarmed = np.zeros(len(smallest), dtype=np.bool_)
        for _ in range(ROUNDS):
            alarmed |= (block.update(values, unknown) & Signal.DRIFT) > 0
        smallest[unknown & alarmed] = shift
    return smallest
