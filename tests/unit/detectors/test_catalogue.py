import sys
from types import ModuleType

import pytest

from detectors import Adwin, MultiflowAdapter, PageHinkley, create
from detectors.catalogue import BLOCKS, KNOWN, block_class, create_block
from detectors.errors import BadParameterError, PluginError, UnknownDetectorError
from detectors.protocol import SequentialDetector


class EveryThird:
    """A toy with scikit-multiflow's API: warns at the second value, alarms at the third."""

    def __init__(self, period: int = 3) -> None:
        self.period, self.count = period, 0

    def add_element(self, value: float) -> None:
        self.count += 1

    def detected_change(self) -> bool:
        return self.count == self.period

    def detected_warning_zone(self) -> bool:
        return self.count == self.period - 1

    def reset(self) -> None:
        self.count = 0


@pytest.fixture
def plugin(monkeypatch):
    module = ModuleType("a_users_detectors")
    module.EveryThird = EveryThird
    module.NoDetector = dict
    monkeypatch.setitem(sys.modules, "a_users_detectors", module)
    return "a_users_detectors"


def test_known_names_make_their_detector():
    assert isinstance(create("adwin", delta=0.01), Adwin)
    assert isinstance(create("page-hinkley", threshold=10), PageHinkley)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownDetectorError, match="adwin, page-hinkley"):
        create("adwim")


def test_every_detector_exists_for_one_stream_and_for_many():
    assert set(KNOWN) == set(BLOCKS)
    assert len(KNOWN) == 10


@pytest.mark.parametrize("name", KNOWN)
def test_each_keeps_the_protocol(name):
    detector = create(name)
    assert isinstance(detector, SequentialDetector)
    detector.update(1.0)
    assert (detector.drift_detected, detector.warning_detected) == (False, False)
    detector.reset()


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_bears_the_name_it_is_known_by(name):
    block = create_block(name, 2)
    assert isinstance(block, block_class(name))
    assert (block.NAME, block.streams) == (name, 2)
    assert block_class(name).restore(block.snapshot()).parameters == block.parameters


def test_an_unknown_block_or_parameter_is_refused_by_name():
    with pytest.raises(UnknownDetectorError, match="mean-eprocess"):
        create_block("adwim", 2)
    with pytest.raises(BadParameterError, match="those of cusum"):
        create_block("cusum", 2, sensitivity=1)
    with pytest.raises(BadParameterError, match="streams"):
        create_block("cusum", -1)


@pytest.mark.parametrize("parameters", [{"delta": 2.0}, {"clock": 0}, {"sensitivity": 1}])
def test_bad_parameters_are_refused(parameters):
    with pytest.raises(BadParameterError):
        create("adwin", **parameters)


@pytest.mark.parametrize(
    "parameters", [{"min_instances": 0}, {"delta": -1.0}, {"threshold": 0.0}, {"alpha": 0.0}]
)
def test_bad_page_hinkley_parameters_are_refused(parameters):
    with pytest.raises(BadParameterError):
        create("page-hinkley", **parameters)


def test_a_class_with_scikit_multiflows_api_plugs_in_by_name(plugin):
    detector = create(f"{plugin}:EveryThird", period=3)
    assert isinstance(detector, MultiflowAdapter)
    answers = []
    for value in range(7):
        detector.update(value)
        answers.append((detector.warning_detected, detector.drift_detected))
    quiet, warned, alarmed = (False, False), (True, False), (False, True)
    assert answers == [quiet, warned, alarmed, quiet, warned, alarmed, quiet]


@pytest.mark.parametrize("name", ["no_such_module:X", "{}:Missing", "{}:NoDetector", ":X"])
def test_a_plugin_that_does_not_work_says_why(plugin, name):
    with pytest.raises(PluginError, match="cannot be used"):
        create(name.format(plugin))
