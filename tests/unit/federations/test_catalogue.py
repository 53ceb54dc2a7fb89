"""The detectors that a policy can name are those of the library, with its own parameters."""

import subprocess
import sys
from inspect import signature

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import detectors
from app.federations.policy.catalogue import DETECTORS, USUAL, faults, parameters
from app.federations.policy.kinds import Shape
from detectors.catalogue import KNOWN, create

SEQUENTIAL = [name for name, detector in DETECTORS.items() if detector.sequential]
OF_BINS = [name for name, detector in DETECTORS.items() if Shape.RATE not in detector.judges]
LOW, HIGH = [40.0, 30.0, 20.0, 10.0], [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_sequential_detector_takes_its_parameters_and_standardised_values(name: str) -> None:
    taken = signature(KNOWN[name]).parameters
    assert set(parameters(name)) <= set(taken)
    for parameter, kind in parameters(name).items():
        assert isinstance(taken[parameter].default, kind)
    made = create(name, **DETECTORS[name].defaults)
    for value in np.random.default_rng(5).normal(size=50):
        made.update(float(value))


def test_sequential_detectors_left_out_are_those_that_refuse_standardised_values() -> None:
    for name in KNOWN.keys() - set(SEQUENTIAL):
        with pytest.raises(detectors.DetectorError):
            create(name).update(-0.5)


@pytest.mark.parametrize("name", OF_BINS)
def test_a_test_of_bins_judges_the_shapes_it_says_and_knows_rounds_if_it_says_so(name: str) -> None:
    entry = DETECTORS[name]
    test = getattr(detectors, entry.test or "")
    assert ("variation" in signature(test).parameters) == entry.takes_variation
    ordered = [detectors.Histogram([0, 1, 2, 3, 4], counts) for counts in (LOW, HIGH)]
    categories = [detectors.Histogram.of_categories(counts) for counts in (LOW, HIGH)]
    assert test(*ordered, power=0.9).p_value < 0.01
    if Shape.CATEGORIES in entry.judges:
        assert test(*categories, power=0.9).p_value < 0.01
    else:
        with pytest.raises(detectors.DetectorError):
            test(*categories)


def test_median_shift_takes_power_too() -> None:
    assert list(parameters("median-shift")) == ["power"]
    assert "power" in signature(detectors.median_shift).parameters


def test_the_usual_ones_are_known() -> None:
    assert set(USUAL) <= set(DETECTORS)


def test_a_policy_without_detectors_imports_none() -> None:
    code = (
        "import sys; from app.federations.policy import Policy;"
        " Policy.model_validate({'drift': {'subjects': {'score': {'effect': 0.2}}}});"
        " Policy().drift.subject('log_loss');"
        " sys.exit('river' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.data())
def test_whatever_a_policy_says_is_refused_by_field_or_makes_a_detector_that_works(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(SEQUENTIAL))
    values = {
        parameter: st.integers(-100, 200) if kind is int else st.floats(-1e9, 1e9)
        for parameter, kind in parameters(name).items()
    }
    given_ = data.draw(st.fixed_dictionaries({}, optional=values))
    found = list(faults({name: given_}, DETECTORS[name].judges))
    assert all(fault.path[0] == name and fault.path[1] in parameters(name) for fault in found)
    if not found:
        made = create(name, **{**DETECTORS[name].defaults, **given_})
        for value in (0.1, -3.0, 8.0, 8.0, -8.0):
            made.update(value)
