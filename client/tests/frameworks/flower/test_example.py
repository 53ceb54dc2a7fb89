# mypy: disable-error-code="import-not-found,misc"
"""The example's apps, played in one process on the readings that they make up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAY = Path(__file__).parent / "play.py"


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9"])
def test_training_goes_on_whatever_vigie_lacks(tmp_path: Path, url: str | None) -> None:
    """Without a variable of Vigie's, and with all of them but no service."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("VIGIE_")}
    spool = tmp_path / "spool"
    vigie = {
        "VIGIE_URL": url,
        "VIGIE_API_KEY": "vk_none",
        "VIGIE_FEDERATION": "beijing",
        "VIGIE_SPOOL": str(spool),
        "VIGIE_PSEUDONYM_KEY": "5a" * 32,
    }
    given = {name: value for name, value in vigie.items() if url is not None and value is not None}
    ran = subprocess.run(
        [sys.executable, str(PLAY), "", "1", "0.5"],
        env=bare | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(list(spool.glob("pending/*.push"))) == (0 if url is None else 1)
