"""A world for every test of explanations."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.core.database import Database
from app.federations.tables import Federation
from tests.unit.drift.explaining.worlds import World


@pytest.fixture
def world(
    api: TestClient, database: Database, federation: Federation, key_of: Callable[..., Any]
) -> World:
    return World(api, database, key_of)
