"""`vigie backtest` and `vigie replay` as they are called."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli
from app.commands import backtest
from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from tests.rounds import BIN_SPEC, body, record
from tests.working import judge

HOME = "/v1/federations/flights"


@pytest.fixture
def here(settings: Settings, federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands see the federation."""
    monkeypatch.setattr(backtest, "settings", lambda: settings)


@pytest.fixture
def year(
    api: TestClient, database: Database, here: None, key_of: Callable[..., dict[str, str]]
) -> None:
    """Eight rounds of reference, two calm ones, and four with many more late flights."""
    headers = key_of(Role.INGEST)
    spec = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=headers).json()["id"]
    for step in range(1, 15):
        late = 40 if step > 10 else 20 + step % 3
        told = body(*(record(name, 100, late) for name in range(6)), step=step, spec=spec)
        api.post(f"{HOME}/runs/serve/rounds/{step}/evaluate", json=told, headers=headers)
        judge(database)


def called(*arguments: str) -> tuple[int, Any]:
    answer = CliRunner().invoke(cli, [*arguments, "-f", "flights", "--json"])
    return answer.exit_code, json.loads(answer.stdout)


def test_a_replay_of_an_untouched_history_exits_with_0(year: None) -> None:
    code, told = called("replay")
    assert code == 0
    assert (told["rounds"], told["mismatches"]) == (14, [])
    assert told["verdicts"] > 0


def test_a_backtest_names_what_a_policy_would_spare(year: None, tmp_path: Path) -> None:
    deaf = tmp_path / "deaf.yaml"
    deaf.write_text("drift: {subjects: {label: {judged: false}, log_loss: {judged: false}}}\n")
    code, told = called("backtest", "--policy", str(deaf))
    assert code == 0
    assert told["rounds"] == 14
    assert told["opened by both"]  # the error rate and calibration are judged still
    assert told["would open"] == told["would spare"] == []


@pytest.mark.parametrize("wrong", ["30", "d", "-3d", "999999d", "3y"])
def test_a_span_that_is_none_is_refused(here: None, tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("{}\n")
    arguments = ["backtest", "-f", "flights", "--policy", str(file), f"--from={wrong}"]
    answer = CliRunner().invoke(cli, arguments)
    assert answer.exit_code == 2
    assert "30d" in answer.output


def test_a_federation_that_is_not_there_is_told(here: None) -> None:
    answer = CliRunner().invoke(cli, ["replay", "-f", "nobody"])
    assert answer.exit_code == 1
    assert "nobody" in answer.output
