"""The examples in docstrings do what they say."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import detectors

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(detectors.__path__, "detectors.")
    if ".kernels." not in found.name
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
