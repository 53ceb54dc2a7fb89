"""What could have been seen is told with every verdict that found nothing."""

from app.federations.policy.catalogue import DETECTORS
from app.federations.roles import Role
from tests.unit.drift.explaining.worlds import HOME, Flights, World

QUIET = ("stable", "insufficient_evidence")
SEQUENTIAL = {name for name, detector in DETECTORS.items() if detector.sequential}


def test_no_verdict_that_found_nothing_lacks_the_smallest_effect_it_could_have_found(
    world: World,
) -> None:
    """Or says why; but for single clients' sequential detectors, which may be a million."""
    world.play(range(1, 10), lambda _step, _client: Flights())
    path = f"{HOME}/rounds/{world.round_at(9)}/verdicts"
    verdicts = world.api.get(path, headers=world.key_of(Role.OWNER)).json()
    quiet = [one for one in verdicts if one["outcome"] in QUIET]
    told = {(one["scope"], one["subject"], one["detector"]) for one in quiet}
    assert {("federation", "error_rate", "adwin"), ("client", "score", "ks")} <= told
    silent = [
        (one["scope"], one["subject"], one["detector"])
        for one in quiet
        if one["minimum_detectable_effect"] is None
        and "missing" not in one["explanation"]
        and not (one["scope"] == "client" and one["detector"] in SEQUENTIAL)
    ]
    assert silent == []
