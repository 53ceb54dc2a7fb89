"""The generated dashboards: what Grafana needs of them, and what a reader needs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.console.router import router as console_pages
from dashboards import checks, commands
from dashboards.boards import BOARDS
from tests.routes import every_route

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "dashboards/grafana/dashboards"
PROVISIONED = ROOT / "dashboards/provisioning"
DOCUMENTS = commands.documents()
# What an address in a dashboard may name.
CONSOLE_PAGES = {"incidents", "promotions", "rounds"}


def test_there_are_the_six_sets() -> None:
    assert list(DOCUMENTS) == [
        "vigie-overview",
        "vigie-drift",
        "vigie-lifecycle",
        "vigie-on-call",
        "vigie-data-quality",
        "vigie-operations",
    ]


def test_the_committed_json_is_what_the_code_writes(tmp_path: Path) -> None:
    written = {path.name: path.read_bytes() for path in commands.build(tmp_path)}
    committed = {path.name: path.read_bytes() for path in COMMITTED.glob("*.json")}
    assert written == committed, "Run `vigie dashboards build` and commit what it wrote."


def test_nothing_is_wrong_with_any_dashboard() -> None:
    assert commands.check(COMMITTED) == []


def broken(**changes: Any) -> dict[str, Any]:
    """A dashboard of one good panel, with something changed."""
    panel = {
        "id": 1,
        "type": "stat",
        "title": "Count",
        "description": "How many. Count.",
        "gridPos": {"x": 0, "y": 0, "w": 12, "h": 4},
        "datasource": {"type": "prometheus", "uid": "vigie-prometheus"},
        "targets": [{"refId": "A"}],
    }
    panels = [panel | change for change in changes.pop("panels", [{}])]
    return {"uid": "broken", "schemaVersion": 41, "panels": panels, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"panels": [{"type": "grafana-worldmap-panel"}]}, "not every Grafana has"),
        ({"panels": [{}, {"gridPos": {"x": 12, "y": 0, "w": 12, "h": 4}}]}, "ids of their own"),
        ({"panels": [{}, {"id": 2}]}, "lies over"),
        ({"panels": [{"gridPos": {"x": 13, "y": 0, "w": 12, "h": 4}}]}, "over the right edge"),
        ({"panels": [{"targets": [{"refId": "A"}, {"refId": "A"}]}]}, "names of their own"),
        ({"panels": [{"targets": [{}]}]}, "names of their own"),
        ({"panels": [{"targets": []}]}, "asks nothing"),
        ({"panels": [{"description": "Count"}]}, "how to read it"),
        ({"panels": [{"datasource": {"type": "influxdb", "uid": "x"}}]}, "that is provisioned"),
        ({"panels": [{"color": "#FF0000"}]}, "not of the palette"),
        ({"schemaVersion": 36}, "schema version"),
        ({"id": 12}, "Grafana's own number"),
    ],
)
def test_a_check_says_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    faults = list(checks.faults_of(broken(**changes)))
    assert len(faults) == (1 if said else 0)
    assert all(said in fault for fault in faults)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_links_carry_the_time_and_what_was_chosen(document: dict[str, Any]) -> None:
    others, console = document["links"]
    assert others["type"] == "dashboards"
    assert (others["includeVars"], others["keepTime"]) == (True, True)
    assert set(others["tags"]) <= set(document["tags"])
    assert console["url"].startswith("${console:raw}")


def addresses(value: Any) -> list[str]:
    found: list[str] = []
    json.loads(json.dumps(value), object_hook=lambda item: found.append(item.get("url")))
    return [address for address in found if address]


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_an_address_leads_to_a_page_that_there_is(document: dict[str, Any]) -> None:
    routes = {route.path for route in every_route(console_pages.routes)}
    names = {item["name"] for item in document["templating"]["list"]}
    for address in addresses(document["panels"]) + addresses(document["links"]):
        assert set(re.findall(r"\$\{(\w+)[:}]", address)) <= names | {"__data", "__value"} | {
            "__url_time_range"
        }
        if address.startswith("/d/"):
            assert re.match(r"/d/([\w-]+)\?", address)[1] in DOCUMENTS
        page = re.match(r"\$\{console:raw\}/f/\$\{federation\}/(\w+)/", address)
        if page:
            assert page[1] in CONSOLE_PAGES
            assert any(path.startswith(f"/f/{{federation}}/{page[1]}/") for path in routes)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_every_variable_that_a_query_names_is_there(document: dict[str, Any]) -> None:
    names = {item["name"] for item in document["templating"]["list"]}
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            text = target.get("rawSql", target.get("expr", ""))
            assert set(re.findall(r"\$\{(\w+):", text)) <= names, panel["title"]


def test_a_table_links_only_by_columns_that_it_has() -> None:
    for document in DOCUMENTS.values():
        for panel in document["panels"]:
            if panel["type"] == "table" and panel["transformations"][0]["id"] == "organize":
                columns = set(panel["transformations"][0]["options"]["indexByName"])
                named = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel)))
                assert named <= columns, panel["title"]


def test_rows_of_panels_fill_the_width() -> None:
    for board in BOARDS:
        for row in board.rows:
            assert sum(row.widths) % checks.GRID_WIDTH == 0, row.title


def test_the_provider_reads_the_folder_that_holds_the_dashboards() -> None:
    provider = yaml.safe_load((PROVISIONED / "dashboards/vigie.yaml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    grafana = compose["services"]["grafana"]
    mounts = dict(mount.split(":")[1::-1] for mount in grafana["volumes"] if mount.startswith("./"))
    folder = ROOT / mounts[provider["options"]["path"]]
    assert folder.resolve() == COMMITTED.resolve()
    assert provider["folderUid"] == commands.FOLDER_UID
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (COMMITTED / Path(home).name).exists()
