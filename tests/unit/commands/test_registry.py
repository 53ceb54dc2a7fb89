"""`vigie registry`: what deviates in MLflow, and having it mended."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from fastapi.testclient import TestClient

from app.core.database import Database
from app.federations.roles import Role
from app.federations.tables import Federation
from tests.unit.registry.lifecycle import MODEL
from tests.unit.registry.mlflow_told import deviating

Vigie = Callable[..., Result]


@pytest.mark.usefixtures("service")
def test_a_deviation_is_shown_and_mended(
    vigie: Vigie,
    key_of: Callable[..., dict[str, str]],
    database: Database,
    federation: Federation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert vigie("registry", "deviations").exit_code == 0
    deviating(database, federation)
    shown = vigie("registry", "deviations")
    assert shown.exit_code == 3
    assert "alias_moved" in shown.stdout
    assert "champion" in shown.stdout
    refused = vigie("registry", "reconcile", MODEL, "--why", "by mistake")
    assert refused.exit_code == 1  # an FL server's key may not
    on_call = key_of(Role.ON_CALL)["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("VIGIE_KEY", on_call)
    mended = vigie("registry", "reconcile", MODEL, "--why", "by mistake", "--json")
    assert mended.exit_code == 0
    assert json.loads(mended.stdout)[0]["repair_asked_by"] == "on_call"


def test_nothing_to_mend_is_said(
    vigie: Vigie,
    service: TestClient,
    key_of: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = key_of(Role.OWNER)
    service.post("/v1/federations/flights/models", headers=owner, json={"name": "late"})
    monkeypatch.setenv("VIGIE_KEY", owner["Authorization"].removeprefix("Bearer "))
    done = vigie("registry", "reconcile", "late", "--why", "to be sure")
    assert (done.exit_code, done.stdout) == (0, "Nothing of late deviates.\n")
