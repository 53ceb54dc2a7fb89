"""DDM, EDDM, HDDM and KSWIN flag what river 0.26 flags, value for value."""

import random

import numpy as np
import pytest

from detectors import create
from detectors.sequential.kswin import Kswin

river = pytest.importorskip("river.drift")
binary = pytest.importorskip("river.drift.binary")

BINARY = [
    ("ddm", binary.DDM, {}),
    ("ddm", binary.DDM, {"warm_start": 10, "warning_threshold": 1.5, "drift_threshold": 2.0}),
    ("eddm", binary.EDDM, {}),
    ("eddm", binary.EDDM, {"warm_start": 5, "alpha": 0.9, "beta": 0.7}),
    ("hddm-a", binary.HDDMA, {}),
    ("hddm-a", binary.HDDMA, {"two_sided_test": True, "warning_confidence": 0.1}),
    ("hddm-w", binary.HDDMW, {}),
    (
        "hddm-w",
        binary.HDDMW,
        {"two_sided_test": True, "lambda_val": 0.03, "warning_confidence": 0.1},
    ),
]


def outcomes(seed):
    """Error rates that rise, fall and rise again, with a stretch without any error."""
    rng = np.random.default_rng(seed)
    rates = (0.2, 0.4, 0.05, 0.0, 0.3)
    return np.concatenate([rng.random(500) < rate for rate in rates]).astype(int).tolist()


def flags(detector, values):
    answers = []
    for value in values:
        detector.update(value)
        warned = getattr(detector, "warning_detected", False)
        answers.append((detector.drift_detected, warned))
    return answers


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "peer", "parameters"), BINARY)
def test_alarms_and_warnings_on_outcomes_are_rivers(name, peer, parameters, seed):
    ours = flags(create(name, **parameters), outcomes(seed))
    assert ours == flags(peer(**parameters), outcomes(seed))
    assert any(drift for drift, _ in ours)
    assert any(warning for _, warning in ours)


@pytest.mark.parametrize(("name", "peer"), [("hddm-a", binary.HDDMA), ("hddm-w", binary.HDDMW)])
def test_hddm_takes_rates_too(name, peer):
    rng = np.random.default_rng(8)
    rates = np.concatenate([rng.beta(2, 8, 500), rng.beta(8, 2, 500)]).tolist()
    ours = flags(create(name), rates)
    assert ours == flags(peer(), rates)
    assert any(drift for drift, _ in ours)


def test_kswin_finds_the_known_change_where_river_does():
    rng = random.Random(12345)
    values = rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)
    drifts = [drift for drift, _ in flags(Kswin(alpha=1e-4, seed=42), values)]
    assert [index for index, drift in enumerate(drifts) if drift] == [1016]


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 0.02, "seed": 3},
        {"alpha": 0.1, "window_size": 20, "stat_size": 8, "seed": 1},
        {"alpha": 0.9, "window_size": 60, "stat_size": 30, "seed": 2},
    ],
)
def test_kswin_alarms_are_rivers(parameters):
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(0, 1, 300), rng.integers(0, 3, 300)]).tolist()
    ours = flags(Kswin(**parameters), values)
    assert ours == flags(river.KSWIN(**parameters), values)
    assert sum(drift for drift, _ in ours) >= 2


def test_a_drift_empties_rivers_window_too_although_its_code_keeps_the_newest():
    values = [0.0] * 100 + [1.0] * 20
    detector = river.KSWIN(alpha=0.005, seed=0)
    for value in values:
        detector.update(value)
        if detector.drift_detected:
            break
    kept = len(detector.window)
    detector.update(1.0)
    assert (kept, len(detector.window)) == (30, 1)
