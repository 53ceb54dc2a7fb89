"""Blocks refuse what their single-stream detector refuses, and do not import river for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from detectors.catalogue import create, create_block
from detectors.errors import BadParameterError

REPOSITORY = Path(__file__).parents[4]
WRONG = [
    ("adwin", {"delta": 0.0}),
    ("adwin", {"delta": 1.0}),
    ("adwin", {"delta": float("nan")}),
    ("adwin", {"clock": 0}),
    ("adwin", {"min_window_length": 0}),
    ("adwin", {"grace_period": 0}),
    ("page-hinkley", {"min_instances": 0}),
    ("page-hinkley", {"delta": -0.1}),
    ("page-hinkley", {"delta": float("nan")}),
    ("page-hinkley", {"threshold": 0.0}),
    ("page-hinkley", {"alpha": 0.0}),
    ("page-hinkley", {"alpha": 1.1}),
]


@pytest.mark.parametrize(("name", "parameters"), WRONG)
def test_blocks_refuse_what_single_detectors_refuse(
    name: str, parameters: dict[str, float]
) -> None:
    with pytest.raises(BadParameterError) as alone:
        create(name, **parameters)
    with pytest.raises(BadParameterError) as together:
        create_block(name, 3, **parameters)
    assert str(together.value) == str(alone.value)


def test_a_block_imports_no_river() -> None:
    code = (
        "import sys; from detectors.catalogue import BLOCKS, create_block;"
        "[create_block(name, 2) for name in BLOCKS]; assert 'river' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
