"""What the year came to: the figures that the demo ends with, and writes with `--json`."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from demo import reports
from demo.fedavg import Weights, examine
from demo.flights import Year

WEEKS_AFTER = 10


@dataclass
class Stages:
    """Seconds that each stage took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of the block under this name, added to what it had."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


@dataclass(frozen=True)
class Errors:
    """Log losses (nats per flight) around the first promotion; None where there was none."""

    before: float
    after: float | None
    if_not_retrained: float | None
    weeks: tuple[int, ...]


def log_loss(year: Year, weights: Weights, weeks: range) -> float:
    """Mean log loss (nats per flight) over all flights of these weeks."""
    outcomes = [examine(weights, flights).loss for flights in year.flying(weeks)]
    return float(sum(loss.sum() for loss in outcomes) / sum(len(loss) for loss in outcomes))


def errors_around_promotion(
    year: Year,
    models: Mapping[str, Weights],
    reference_weeks: range,
    first: str,
    promoted: str | None,
    last_week: int,
) -> Errors:
    """Before, after, and what the first version would have had over the same ten weeks.

    `promoted` is the version of the first promotion, `last_week` the last one before it served.
    """
    before = log_loss(year, models[first], reference_weeks)
    weeks = range(last_week + 1, min(last_week + 1 + WEEKS_AFTER, 53))
    if promoted is None or not weeks:
        return Errors(before, None, None, ())
    after = log_loss(year, models[promoted], weeks)
    return Errors(before, after, log_loss(year, models[first], weeks), tuple(weeks))


def document(
    *,
    seed: int,
    weeks: int,
    pushed: int,
    incidents: list[dict[str, Any]],
    requests: list[dict[str, Any]],
    versions: list[dict[str, Any]],
    promotions: list[dict[str, Any]],
    errors: Errors,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """The summary that `--json` writes."""
    return {
        "seed": seed,
        "rounds": weeks,
        "rounds_pushed": pushed,
        "clients": sum(len(carriers) for carriers in reports.COHORTS.values()),
        "incidents": [
            {
                "subject": incident["subject"],
                "scope": incident["scope"],
                "scope_key": incident["scope_key"],
                "opened_round": incident["opened_step"],
                "severity": incident["severity"],
                "state": incident["state"],
                "title": incident["title"],
            }
            for incident in incidents
        ],
        "retrain_requests": [
            {key: request[key] for key in ("state", "base_version", "result_version", "reason")}
            for request in requests
        ],
        "versions": [
            {key: version[key] for key in ("version", "parent_version", "mlflow_version")}
            for version in versions
        ],
        "promotions": [
            {
                key: promotion[key]
                for key in ("candidate", "champion", "state", "submitted_by", "decided_by")
            }
            for promotion in promotions
        ],
        "error_before": errors.before,
        "error_after": errors.after,
        "error_if_not_retrained": errors.if_not_retrained,
        "weeks_compared": list(errors.weeks),
        "seconds": dict(seconds),
    }
