"""The Python blocks of the detectors' reference run as they stand."""

from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, code_blocks

REFERENCE = ROOT / "docs" / "reference"
PAGES_WITH_EXAMPLES = [
    path
    for path in (REFERENCE / "detectors.md", *sorted((REFERENCE / "detectors").glob("*.md")))
    if code_blocks(path.read_text(), "python")
]


@pytest.mark.parametrize("path", PAGES_WITH_EXAMPLES, ids=lambda path: path.stem)
def test_a_pages_examples_run_one_after_another(path: Path) -> None:
    namespace: dict[str, object] = {}
    for block in code_blocks(path.read_text(), "python"):
        exec(compile(block, str(path), "exec"), namespace)
