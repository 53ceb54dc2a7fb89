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
from app.core.settings import Settings
from dashboards import commands, expanding, frame
from dashboards.expanding import View
from tests.servers import postgres_program, running_postgres
from tests.unit.dashboards import played, scenario, test_provisioning

pytestmark = pytest.mark.postgres

ROLE_SQL = Path(__file__).parents[3] / "deploy/postgres/grafana_reader.sql"
Grafana = psycopg.Connection[DictRow]
CHOSEN = {
    "federation": [played.FEDERATION],
    "model": [played.MODEL],
    "version": ["1", "2"],
    "cohort": ["everyone"],
    "subject": ["label:late"],
}
# The subject that a panel is about, where it is not about all of them.
OF_SUBJECT = {"Clients moved, or others took part": "error_rate"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL with Grafana's role; one database played, one seeded. Its psycopg address."""
    folder = tmp_path_factory.mktemp("grafana")
    with running_postgres(folder) as url:
        address = url.replace("+psycopg", "").rpartition("/")[0]
        with psycopg.connect(f"{address}/postgres", autocommit=True) as superuser:
            superuser.execute("CREATE DATABASE played")
        migrated(f"{url.rpartition('/')[0]}/played").dispose()
        make_role(f"{address}/played", folder)
        with psycopg.connect(f"{address}/postgres", autocommit=True) as superuser:
            superuser.execute("CREATE DATABASE seeded TEMPLATE played")
        yield address


@pytest.fixture(scope="module")
def moment(server: str, tmp_path_factory: pytest.TempPathFactory) -> View:
    """What somebody looks at after the play."""
    address = f"{server.replace('postgresql:', 'postgresql+psycopg:', 1)}/played"
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("play"),
        secret="s" * 32,
        database_url=address,
        log_level="ERROR",
    )
    with played.played(settings) as play:
        end = play.now
    return View(played.START, end + played.STEP, chosen=CHOSEN)


@pytest.fixture
def grafana(server: str, moment: View) -> Iterator[Grafana]:
    """Grafana's connection to what was played."""
    yield from connected(f"{server}/played")


@pytest.fixture(scope="module")
def seeded(server: str) -> str:
    """The address of a database with what may be shown, and what may not."""
    database = Database(f"{server.replace('postgresql:', 'postgresql+psycopg:', 1)}/seeded")
    with database.session_scope() as session:
        scenario.seed(session)
    database.dispose()
    return f"{server}/seeded"


@pytest.fixture
def shown(seeded: str) -> Iterator[Grafana]:
    """Grafana's connection to what was seeded."""
    yield from connected(seeded)


def _queries() -> Iterator[Any]:
    for uid, document in commands.documents().items():
        for panel in document["panels"]:
            for target in panel.get("targets", ()):
                if "rawSql" in target:
                    yield pytest.param(panel, target, id=f"{uid}-{panel['title']}")
        for mark in document.get("annotations", {}).get("list", ()):
            yield pytest.param({"title": mark["name"]}, mark["target"], id=f"{uid}-{mark['name']}")


@pytest.mark.parametrize(("panel", "target"), [*_queries()])
def test_a_query_returns_rows_in_the_form_it_declares(
    grafana: Grafana, moment: View, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    rows = run(grafana, target["rawSql"], of_subject(moment, panel["title"]))
    assert rows
    if target["format"] == "time_series":
        assert set(rows[0]) == {"time", "metric", "value"}
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
        assert all(row["value"] is not None for row in rows)
    for change in panel.get("transformations", ()):
        assert asked_for(change) == set(rows[0])
    if panel.get("type") in {"stat", "barchart"}:
        assert any(value is not None for row in rows for value in row.values())


def asked_for(change: dict[str, Any]) -> set[str]:
    """The columns that a panel's transformation works on."""
    options = change["options"]
    if change["id"] == "organize":
        return set(options["indexByName"])
    return {options["rowField"], options["columnField"], options["valueField"]}


@pytest.mark.parametrize(("panel", "target"), [*_queries()])
def test_a_query_runs_when_nothing_is_known_yet(
    grafana: Grafana, moment: View, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    nothing = CHOSEN | {"model": [], "version": [], "cohort": [""], "subject": [""]}
    run(grafana, target["rawSql"], View(moment.begin, moment.end, chosen=nothing))


@pytest.mark.parametrize("rule", test_provisioning.RULES, ids=lambda rule: rule.uid)
def test_an_alert_rule_asks_for_one_number_and_its_labels(
    grafana: Grafana, moment: View, rule: test_provisioning.Rule
) -> None:
    text = rule.data[0].model["rawSql"]
    cursor = grafana.execute(expanding.sql(text, moment))
    kinds = [psycopg.adapters.types[column.type_code].name for column in cursor.description or ()]
    assert kinds.count("float8") == 1
    assert set(kinds) == {"float8", "varchar"}


def test_variables_offer_what_is_there(grafana: Grafana, moment: View) -> None:
    offered = {
        name: [row[name] for row in run(grafana, text, moment)]
        for name, text in (
            ("federation", frame.FEDERATIONS),
            ("model", frame.MODELS),
            ("version", frame.VERSIONS),
            ("cohort", frame.COHORTS),
            ("subject", frame.SUBJECTS),
        )
    }
    assert offered["federation"] == [played.FEDERATION]
    assert offered["model"] == [played.MODEL]
    assert offered["version"] == ["1", "2"]
    assert offered["cohort"] == ["everyone", "hub=EWR", "hub=JFK", "hub=LGA"]
    assert {"log_loss", "label:late", "feature:hour", "participation"} <= set(offered["subject"])


def test_fewer_points_than_rounds_are_one_point_an_interval(grafana: Grafana, moment: View) -> None:
    ribbon = query_of("vigie-overview", "Drift by model")
    every = run(grafana, ribbon, moment)
    few = run(grafana, ribbon, View(moment.begin, moment.end, points=5, chosen=CHOSEN))
    assert len(every) > 2 * len(few) >= 4
    assert max(row["value"] for row in few) == max(row["value"] for row in every) == 3


def test_the_heat_map_says_where_it_moved(grafana: Grafana, moment: View) -> None:
    rows = run(
        grafana, query_of("vigie-drift", "Effect over threshold by subject and cohort"), moment
    )
    ratios = {row["cohort"]: row["ratio"] for row in rows if row["subject"] == "label:late"}
    assert ratios["hub=EWR"] > 2
    assert ratios["hub=JFK"] > 2
    assert ratios["hub=LGA"] < 1


def test_the_reference_stands_beside_what_is_now(grafana: Grafana, moment: View) -> None:
    rows = run(grafana, query_of("vigie-drift", "Reference and current distribution"), moment)
    assert [row["bin"] for row in rows] == ["on time", "late"]
    assert sum(row["current"] for row in rows) == pytest.approx(1)
    late = rows[1]
    assert late["current"] > late["reference"] + 0.1


def test_the_canary_and_the_shadow_have_intervals_that_tell(grafana: Grafana, moment: View) -> None:
    looks = run(grafana, query_of("vigie-lifecycle", "Candidate against champion"), moment)
    upper = [row["value"] for row in looks if row["metric"] == "upper"]
    assert len(upper) == played.CANARY
    assert max(upper) < 0  # better, and surely so
    cohorts = run(grafana, query_of("vigie-lifecycle", "Candidate against champion by"), moment)
    assert [row["cohort"] for row in cohorts if row["difference"] < -0.05] == [
        "everyone (2)",
        "hub=EWR (2)",
        "hub=JFK (2)",
    ]
    regret = run(grafana, query_of("vigie-lifecycle", "Shadow regret"), moment)
    assert max(row["value"] for row in regret if row["metric"].startswith("regret")) < 0


def query_of(uid: str, title: str) -> str:
    (panel,) = (
        panel
        for panel in commands.documents()[uid]["panels"]
        if panel["title"] == title or (title.endswith("by") and panel["title"].startswith(title))
    )
    text: str = panel["targets"][0]["rawSql"]
    return text


@pytest.mark.parametrize("view", ["grafana_incidents", "grafana_subjects"])
def test_no_view_shows_a_client_or_a_cohort_below_the_minimum_size(
    shown: Grafana, view: str
) -> None:
    rows = shown.execute(f"SELECT cohort FROM {view}").fetchall()
    assert {row["cohort"] for row in rows} == {"everyone", "hub=EWR"}


def test_rounds_below_the_minimum_cohort_size_and_superseded_ones_show_no_metric(
    shown: Grafana,
) -> None:
    steps = shown.execute("SELECT DISTINCT global_step FROM grafana_measures").fetchall()
    assert {row["global_step"] for row in steps} == {1, 2, 5}


def test_a_metric_that_too_few_clients_gave_is_left_out_alone(shown: Grafana) -> None:
    row = shown.execute(
        "SELECT log_loss, error_rate FROM grafana_measures WHERE global_step = 5"
        " AND cohort = 'everyone'"
    ).fetchone()
    assert row == {"log_loss": None, "error_rate": pytest.approx(0.2)}


def test_log_loss_is_the_mean_over_all_examples_and_the_canary_has_its_own(shown: Grafana) -> None:
    rows = shown.execute(
        "SELECT phase, version, log_loss FROM grafana_measures"
        " WHERE cohort = 'everyone' AND log_loss IS NOT NULL"
    ).fetchall()
    assert {(row["phase"], row["version"]): row["log_loss"] for row in rows} == {
        ("evaluate", "1"): pytest.approx(scenario.LOG_LOSS),
        ("canary", "1"): pytest.approx(scenario.LOG_LOSS),
        ("canary", "2"): pytest.approx(scenario.CANARY_LOG_LOSS),
    }


def test_no_view_shows_a_pseudonym_anywhere(grafana: Grafana, shown: Grafana) -> None:
    for connection in (grafana, shown):
        for view in views(connection):
            rows = connection.execute(f"SELECT * FROM {view}").fetchall()
            assert not re.search(r"\bc_[0-9a-f]", str(rows)), view
    empty = [view for view in views(grafana) if not grafana.execute(f"TABLE {view}").fetchall()]
    assert empty == []


def test_grafanas_role_reads_no_table(grafana: Grafana, server: str) -> None:
    with psycopg.connect(f"{server}/played") as superuser:
        everything = superuser.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
    hidden = {name for (name,) in everything} - set(views(grafana))
    assert {"report_blocks", "round_aggregates", "round_subjects", "api_keys"} <= hidden
    for name in hidden:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), grafana.transaction():
            grafana.execute(f"SELECT 1 FROM {name}")


def test_grafanas_role_can_make_nothing(grafana: Grafana) -> None:
    grafana.execute("SET default_transaction_read_only = off")
    grafana.commit()
    for kind in ("", "TEMPORARY"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), grafana.transaction():
            grafana.execute(f"CREATE {kind} TABLE mine (id int)")


def test_the_migration_goes_back_and_forth_with_data_and_grants(
    server: str, seeded: str, shown: Grafana
) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    before = shown.execute("SELECT * FROM grafana_subjects ORDER BY subject, cohort").fetchall()
    shown.close()
    database = Database(seeded.replace("postgresql:", "postgresql+psycopg:", 1))
    config = migrations.config(database)
    views = ScriptDirectory.from_config(config).get_revision("0014")
    command.downgrade(config, str(views.down_revision))
    with psycopg.connect(seeded, user="vigie_grafana", row_factory=dict_row) as connection:
        assert connection.execute("SELECT count(*) AS n FROM grafana_verdicts").fetchone()
    migrations.upgrade(database)
    migrations.check(database)
    database.dispose()
    with psycopg.connect(seeded, user="vigie_grafana", row_factory=dict_row) as connection:
        after = connection.execute("SELECT * FROM grafana_subjects ORDER BY subject, cohort")
        assert after.fetchall() == before


def migrated(url: str) -> Database:
    database = Database(url)
    migrations.upgrade(database)
    return database


def connected(address: str) -> Iterator[Grafana]:
    with psycopg.connect(address, user="vigie_grafana", row_factory=dict_row) as connection:
        yield connection


def make_role(address: str, folder: Path) -> None:
    password = folder / "password"
    password.write_text("a password of the test\n")
    command = [postgres_program("psql"), address, "--no-psqlrc", "--quiet", f"--file={ROLE_SQL}"]
    for _ in range(2):  # the file promises that a second run is safe
        subprocess.run(command, check=True, env={"PASSWORD_FILE": str(password), "PATH": "/bin"})


def views(connection: Grafana) -> list[str]:
    rows = connection.execute(
        "SELECT viewname FROM pg_views WHERE viewname LIKE 'grafana%' ORDER BY 1"
    ).fetchall()
    return [row["viewname"] for row in rows]


def of_subject(view: View, title: str) -> View:
    chosen = dict(view.chosen) | {"subject": [OF_SUBJECT.get(title, CHOSEN["subject"][0])]}
    return View(view.begin, view.end, view.points, chosen)


def run(connection: Grafana, text: str, view: View) -> list[DictRow]:
    return connection.execute(expanding.sql(text, view)).fetchall()
