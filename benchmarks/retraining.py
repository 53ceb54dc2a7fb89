"""What a retraining policy is worth: Beijing's air played with and without it.

`python -m benchmarks.retraining --json` prints the alerts sent, the requests made, the error saved
and what that cost the stations. The air is in `../shared/data`.
"""

import sys
from collections.abc import Iterator

from benchmarks.harness import Case, Row, at_least, main
from benchmarks.streams.readers import absent
from benchmarks.worlds.retrained import Played, play

HOUR, MEGABYTE = 3600.0, 1e6


def beijing() -> Iterator[Row]:
    """Both histories, side by side."""
    missing = absent()
    if missing is not None:
        raise FileNotFoundError(f"Beijing cannot be played: {missing}")
    with_it, without = play(retraining=True), play(retraining=False)
    _describe(with_it)
    asked, saved = len(with_it.requests), sum(without.wrong) - sum(with_it.wrong)
    yield _stated("alerts sent, with the policy and without", with_it.alerts, without.alerts, "")
    yield _stated("requests made", asked, len(without.requests), "requests")
    yield _stated("versions promoted", len(with_it.promoted), len(without.promoted), "versions")
    yield _stated("rollbacks", len(with_it.went_back), len(without.went_back), "promotions")
    yield _stated("wrong hours", sum(with_it.wrong), sum(without.wrong), "station-hours")
    yield at_least("error rate, without over with", without.error / with_it.error, 1.0, "times")
    yield at_least("errors saved", saved, 1, "station-hours")
    yield _stated("cost, computing", with_it.client_seconds / HOUR, 0, "client-hours")
    yield _stated("cost, traffic", with_it.bytes / MEGABYTE, 0, "MB")


def _stated(what: str, ours: float, peer: float, unit: str) -> Row:
    """With the policy beside without it, for the reader to weigh."""
    ratio = peer / ours if ours else float("inf")
    return Row(f"beijing: {what}", ours, peer, unit, ratio, 0.0, holds=True)


def _describe(played: Played) -> None:
    """Each decision and outcome, for people."""
    for line in played.decisions:
        print(f"step {line['step']}: {line['answer']}: {line['why']}", file=sys.stderr)
    for line in played.outcomes:
        print(f"version {line['result_version']}: {line['why']}", file=sys.stderr)


if __name__ == "__main__":
    main("retraining", [Case("beijing", beijing)])
