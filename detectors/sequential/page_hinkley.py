"""Page-Hinkley: cumulated departures from the running mean, upwards and downwards."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from detectors.arrays import finite
from detectors.sequential.blocks.parameters import require_page_hinkley


class Direction(StrEnum):
    """Which way a mean went."""

    UP = "up"
    DOWN = "down"


class PageHinkley:
    """Page-Hinkley in both directions; river.drift.PageHinkley does the work, once for each.

    The alarms are those of river's `mode="both"`, and `direction` says which side raised the last
    one. `delta` is the departure put up with at every value and `threshold` the sum that alarms,
    both in the unit of the values (standardise first); `alpha` forgets old departures. There is
    no warning zone. Raises BadParameterError, and NotFiniteError on update.

    Page (1954), Biometrika 41, 100-115.
    """

    warning_detected = False

    def __init__(
        self,
        *,
        min_instances: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 0.9999,
    ) -> None:
        self._parameters: Any = {
            "min_instances": min_instances,
            "delta": delta,
            "threshold": threshold,
            "alpha": alpha,
        }
        require_page_hinkley(**self._parameters)
        self.reset()

    @property
    def direction(self) -> Direction | None:
        """Which way the mean went at the drift that the last value completed, if it did."""
        if self._up.drift_detected:
            return Direction.UP
        return Direction.DOWN if self._down.drift_detected else None

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift, either way."""
        return self.direction is not None

    def update(self, value: float) -> None:
        """Take the next value; NotFiniteError for a NaN or an infinity."""
        checked = float(finite(value, "value"))
        if self.drift_detected:
            self.reset()
        self._up.update(checked)
        self._down.update(checked)

    def reset(self) -> None:
        """Forget everything seen."""
        river = _river_page_hinkley()
        self._up = river(mode=Direction.UP.value, **self._parameters)
        self._down = river(mode=Direction.DOWN.value, **self._parameters)


def _river_page_hinkley() -> Callable[..., Any]:
    # river takes a second to import, so only where it is used
    from river.drift import PageHinkley as River  # noqa: PLC0415

    return River  # type: ignore[no-any-return]
