"""ADWIN: a window that drops its past when two parts of it have different means."""

from collections.abc import Callable
from typing import Any

from detectors.arrays import finite
from detectors.sequential.blocks.parameters import require_adwin


class Adwin:
    """ADWIN2 on one stream; river.drift.ADWIN does the work, so the alarms are river's.

    `delta` bounds the false alarms of each test of a cut; a cut is looked for every `clock`
    values, once `grace_period` are in the window, in parts of at least `min_window_length`. Raw
    round metrics are too small for the defaults: standardise first. There is no warning zone.
    Raises BadParameterError, and NotFiniteError on update.

    Bifet & Gavalda (2007), SIAM Int. Conf. on Data Mining, 443-448.
    """

    warning_detected = False

    def __init__(
        self,
        *,
        delta: float = 0.002,
        clock: int = 32,
        min_window_length: int = 5,
        grace_period: int = 10,
    ) -> None:
        self._parameters: Any = {
            "delta": delta,
            "clock": clock,
            "min_window_length": min_window_length,
            "grace_period": grace_period,
        }
        require_adwin(**self._parameters)
        self.reset()

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""
        return bool(self._river.drift_detected)

    @property
    def width(self) -> int:
        """How many values the window holds."""
        return int(self._river.width)

    @property
    def estimation(self) -> float:
        """The mean of the window, 0 when it is empty."""
        return float(self._river.estimation)

    def update(self, value: float) -> None:
        """Take the next value; NotFiniteError for a NaN or an infinity."""
        self._river.update(float(finite(value, "value")))

    def reset(self) -> None:
        """Forget everything seen."""
        self._river = _river_adwin()(**self._parameters)


def _river_adwin() -> Callable[..., Any]:
    from river.drift import ADWIN  # noqa: PLC0415 - river takes a second, so only where it is used

    return ADWIN  # type: ignore[no-any-return]
