"""The notebook of the documentation, run against the real service: it gets to the cause."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from app.core.settings import Settings
from tests.flights import Flights, flights

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/from_alert_to_cause.ipynb"
CAUSE = "Cause of 'log_loss' since step {}: the concept changed. Retrain on rounds since the onset."

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def played(tmp_path: Path, blank_database: Path) -> Iterator[Flights]:
    (tmp_path / "vigie.db").write_bytes(blank_database.read_bytes())
    with flights(Settings(data_dir=tmp_path, secret="s" * 32, log_level="WARNING")) as played:
        played.play()
        yield played


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: Any) -> str:
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def test_the_notebook_gets_from_the_alert_to_its_cause(
    played: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_URL", played.url)
    monkeypatch.setenv("VIGIE_API_KEY", played.analyst_key)
    monkeypatch.setenv("VIGIE_FEDERATION", played.federation)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kept = [text_of(cell) for cell in code_of(notebook)]
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    told = [text_of(cell) for cell in code_of(notebook)]
    assert len(told) == 10
    step = re.search(r"since step (\d+)", told[-1])
    assert step is not None
    assert told[-1].startswith(CAUSE.format(step[1]))
    assert told[-1:] == kept[-1:]
    assert "labels moved: True" in told[8]
    assert "inputs moved: False" in told[8]


def test_what_is_kept_of_it_is_whole_and_names_no_machine() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = code_of(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, 11))
    assert {output.output_type for cell in cells for output in cell.outputs} == {
        "stream",
        "execute_result",
        "display_data",
    }
    text = NOTEBOOK.read_text()
    assert not re.search(r"/(home|root|tmp|work|usr|Users)/|127\.0\.0\.1|vg_[0-9a-f]{6}", text)
