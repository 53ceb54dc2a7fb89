"""Every query of the dashboards on a real PostgreSQL, run as the role that Grafana has."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from app.core import migrations
from app.core.database import Database
from dashboards import commands, queries
from tests.servers import postgres_program, running_postgres
from tests.unit.dashboards import scenario

pytestmark = pytest.mark.postgres

ROLE_SQL = Path(__file__).parents[3] / "deploy/postgres/grafana_reader.sql"
INTERVAL_SECONDS = 3600
Grafana = psycopg.Connection[DictRow]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated, seeded PostgreSQL with Grafana's role; its address as a superuser."""
    folder = tmp_path_factory.mktemp("grafana")
    with running_postgres(folder) as url:
        database = Database(url)
        migrations.upgrade(database)
        with database.session_scope() as session:
            scenario.seed(session)
        address = url.replace("+psycopg", "")
        _make_role(address, folder)
        yield address
        database.dispose()


@pytest.fixture
def grafana(address: str) -> Iterator[Grafana]:
    """A connection with Grafana's role."""
    with psycopg.connect(address, user="vigie_grafana", row_factory=dict_row) as connection:
        yield connection


def _queries() -> Iterator[Any]:
    for uid, document in commands.documents().items():
        for panel in document["panels"]:
            for target in panel["targets"]:
                yield pytest.param(target, id=f"{uid}-{panel['title']}")
        for mark in document["annotations"]["list"]:
            yield pytest.param(mark["target"], id=f"{uid}-{mark['name']}")


@pytest.mark.parametrize("target", [*_queries()])
def test_a_query_returns_rows_in_the_form_it_declares(
    grafana: Grafana, target: dict[str, Any]
) -> None:
    rows = _run(grafana, target["rawSql"])
    assert rows
    if target["format"] == "time_series":
        assert set(rows[0]) == {"time", "metric", "value"}
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
        assert all(row["value"] is not None for row in rows)


@pytest.mark.parametrize("target", [*_queries()])
def test_a_query_runs_when_no_model_is_known_yet(grafana: Grafana, target: dict[str, Any]) -> None:
    grafana.execute(_expand(target["rawSql"], models=[]))


def test_variables_offer_what_is_there(grafana: Grafana) -> None:
    assert _run(grafana, queries.FEDERATIONS) == [{"federation": scenario.FEDERATION}]
    assert _run(grafana, queries.MODELS) == [{"model": scenario.MODEL}]


def test_log_loss_is_the_mean_over_all_examples_and_the_canary_has_its_own(
    grafana: Grafana,
) -> None:
    rows = _run(grafana, queries.round_metric("log_loss"))
    assert {row["metric"]: row["value"] for row in rows} == {
        "late-arrival 1, evaluate": pytest.approx(scenario.LOG_LOSS),
        "late-arrival 1, canary": pytest.approx(scenario.LOG_LOSS),
        "late-arrival 2, canary (champion now)": pytest.approx(scenario.CANARY_LOG_LOSS),
    }


def test_rounds_below_the_minimum_cohort_size_and_superseded_ones_show_no_metric(
    grafana: Grafana,
) -> None:
    steps = grafana.execute("SELECT DISTINCT global_step FROM grafana_round_metrics").fetchall()
    assert {row["global_step"] for row in steps} == {1, 2, 5}


def test_a_metric_that_too_few_clients_gave_is_left_out_alone(grafana: Grafana) -> None:
    row = grafana.execute(
        "SELECT log_loss, error_rate FROM grafana_round_metrics WHERE global_step = 5"
    ).fetchone()
    assert row == {"log_loss": None, "error_rate": pytest.approx(0.2)}


def test_an_effect_is_shown_as_a_multiple_of_its_threshold(grafana: Grafana) -> None:
    (row,) = _run(grafana, queries.EFFECTS)
    assert row["value"] == pytest.approx(2.0)


@pytest.mark.parametrize("view", ["grafana_verdicts", "grafana_incidents"])
def test_no_view_shows_a_client_or_a_cohort_below_the_minimum_size(
    grafana: Grafana, view: str
) -> None:
    rows = grafana.execute(f"SELECT scope, scope_key FROM {view}").fetchall()
    shown = {(row["scope"], row["scope_key"]) for row in rows}
    assert shown == {("federation", ""), ("cohort", "hub=EWR")}


def test_no_view_shows_a_pseudonym_anywhere(grafana: Grafana) -> None:
    for view in _views(grafana):
        rows = grafana.execute(f"SELECT * FROM {view}").fetchall()
        assert rows
        assert not re.search(r"c_\d", str(rows)), view


def test_refusals_of_whole_pushes_are_counted_too(grafana: Grafana) -> None:
    rows = _run(grafana, queries.INGEST)
    refused = sum(row["value"] for row in rows if row["metric"] == "records refused")
    assert refused == 3


def test_grafanas_role_reads_no_table(grafana: Grafana, address: str) -> None:
    with psycopg.connect(address) as superuser:
        everything = superuser.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
    hidden = {name for (name,) in everything} - set(_views(grafana))
    assert {"report_blocks", "round_aggregates", "api_keys"} <= hidden
    for name in hidden:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), grafana.transaction():
            grafana.execute(f"SELECT 1 FROM {name}")


def test_grafanas_role_can_make_nothing(grafana: Grafana) -> None:
    grafana.execute("SET default_transaction_read_only = off")
    grafana.commit()
    for kind in ("", "TEMPORARY"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), grafana.transaction():
            grafana.execute(f"CREATE {kind} TABLE mine (id int)")


def test_the_migration_goes_back_and_forth(tmp_path: Path) -> None:
    from alembic import command

    with running_postgres(tmp_path) as url:
        database = Database(url)
        migrations.upgrade(database)
        command.downgrade(migrations.config(database), "0001")
        with psycopg.connect(url.replace("+psycopg", ""), row_factory=dict_row) as connection:
            assert _views(connection) == []
        migrations.upgrade(database)
        migrations.check(database)
        database.dispose()


def _make_role(address: str, folder: Path) -> None:
    password = folder / "password"
    password.write_text("a password of the test\n")
    command = [postgres_program("psql"), address, "--no-psqlrc", "--quiet", f"--file={ROLE_SQL}"]
    for _ in range(2):  # the file promises that a second run is safe
        subprocess.run(command, check=True, env={"PASSWORD_FILE": str(password), "PATH": "/bin"})


def _views(connection: Grafana) -> list[str]:
    rows = connection.execute(
        "SELECT viewname FROM pg_views WHERE viewname LIKE 'grafana%' ORDER BY 1"
    ).fetchall()
    return [row["viewname"] for row in rows]


def _run(connection: Grafana, text: str) -> list[DictRow]:
    return connection.execute(_expand(text, [scenario.MODEL])).fetchall()


def _expand(text: str, models: list[str]) -> Any:
    """The query as Grafana sends it: macros and variables replaced by its documented rules."""
    quoted = ",".join(f"'{model}'" for model in models)
    text = text.replace("${federation:sqlstring}", f"'{scenario.FEDERATION}'")
    text = text.replace("${model:sqlstring}", quoted)
    between = f"BETWEEN '{scenario.START.isoformat()}' AND '{scenario.END.isoformat()}'"
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 {between}", text)
    seconds = rf"floor(extract(epoch from \1)/{INTERVAL_SECONDS})*{INTERVAL_SECONDS}"
    text = re.sub(r"\$__timeGroupAlias\((\w+), \$__interval\)", rf'{seconds} AS "time"', text)
    assert "$" not in text, f"A macro or variable was left: {text}"
    return text
