"""Which parameters river's detectors work with, without importing river, which takes seconds."""

from detectors.arrays import fraction
from detectors.errors import BadParameterError


def require_adwin(*, delta: float, clock: int, min_window_length: int, grace_period: int) -> None:
    """Raise BadParameterError for what ADWIN cannot work with."""
    fraction(delta, "delta")
    for name, value in (
        ("clock", clock),
        ("min_window_length", min_window_length),
        ("grace_period", grace_period),
    ):
        if value < 1:
            raise BadParameterError(name, value, "1 or more")


def require_page_hinkley(
    *, min_instances: int, delta: float, threshold: float, alpha: float
) -> None:
    """Raise BadParameterError for what Page-Hinkley cannot work with."""
    if min_instances < 1:
        raise BadParameterError("min_instances", min_instances, "1 or more")
    if not delta >= 0:
        raise BadParameterError("delta", delta, "zero or more")
    if not threshold > 0:
        raise BadParameterError("threshold", threshold, "above 0")
    if not 0 < alpha <= 1:
        raise BadParameterError("alpha", alpha, "above 0, at most 1")
