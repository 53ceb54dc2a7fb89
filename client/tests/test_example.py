from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vigie_client import generate_key

if TYPE_CHECKING:
    from conftest import LoopbackService

EXAMPLE = Path(__file__).parents[1] / "examples" / "push_a_round.py"


def test_the_example_delivers_its_round(
    loopback: LoopbackService,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIE_URL", loopback.url)
    monkeypatch.setenv("VIGIE_API_KEY", key)
    monkeypatch.setenv("VIGIE_FEDERATION", "stroke")
    monkeypatch.setenv("VIGIE_PSEUDONYM_KEY", generate_key().hex())
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert capsys.readouterr().out == "delivered\n"
    (body,) = loopback.stored.values()
    clients = json.loads(body)["clients"]
    assert [client["num_examples"] for client in clients] == [900, 1210]
    assert b"hospital" not in body
