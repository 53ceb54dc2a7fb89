"""The federation that the benchmark measures on is of the tables as they are now."""

import psycopg
import pytest

from app.core.database import Database
from benchmarks.dashboards.federation import COHORTS, SUBJECTS, fill

ROUNDS = 40


@pytest.mark.postgres
def test_postgresql_takes_the_large_federation(postgres: Database) -> None:
    address = postgres.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        fill(connection, ROUNDS)
        (stored,) = connection.execute("SELECT count(*) FROM round_subjects").fetchone() or (0,)
    assert stored == ROUNDS * SUBJECTS * (COHORTS + 1)
