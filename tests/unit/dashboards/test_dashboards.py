"""The generated dashboards: what Grafana needs of them, and what a reader needs."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import commands, palette

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "dashboards/grafana/dashboards"
PROVISIONED = ROOT / "dashboards/provisioning"
PANEL_TYPES = {"stat", "timeseries", "state-timeline", "table"}
GRID_WIDTH = 24
OLDEST_SCHEMA_OF_GRAFANA_11_6 = 41

DOCUMENTS = commands.documents()
PANELS = [
    pytest.param(panel, id=f"{uid}-{panel['title']}")
    for uid, document in DOCUMENTS.items()
    for panel in document["panels"]
]


def test_the_committed_json_is_what_the_code_writes(tmp_path: Path) -> None:
    written = {path.name: path.read_bytes() for path in commands.build(tmp_path)}
    committed = {path.name: path.read_bytes() for path in COMMITTED.glob("*.json")}
    assert written == committed, "Run `vigie dashboards build` and commit what it wrote."


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_ids_are_unique_and_the_schema_is_the_classic_one(document: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    assert min(ids) >= 1
    assert document["schemaVersion"] >= OLDEST_SCHEMA_OF_GRAFANA_11_6
    assert "id" not in document  # Grafana's own number, different in each Grafana


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_panels_lie_on_the_grid_and_never_overlap(document: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in document["panels"]]
    assert all(place["x"] + place["w"] <= GRID_WIDTH for place in places)
    assert not [pair for pair in combinations(places, 2) if _overlap(*pair)]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_how_to_read_it(panel: dict[str, Any]) -> None:
    assert panel["type"] in PANEL_TYPES
    assert len(panel["description"]) > len(panel["title"])
    assert panel["description"].endswith(".")


@pytest.mark.parametrize("panel", PANELS)
def test_every_query_names_itself_and_a_data_source_that_is_provisioned(
    panel: dict[str, Any],
) -> None:
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert all(references)
    assert len(set(references)) == len(references)
    for holder in (panel, *panel["targets"]):
        assert (holder["datasource"]["type"], holder["datasource"]["uid"]) in _provisioned()


def test_variables_and_annotations_use_a_data_source_that_is_provisioned() -> None:
    for document in DOCUMENTS.values():
        for item in (*document["templating"]["list"], *document["annotations"]["list"]):
            source = item["datasource"]
            assert (source["type"], source["uid"]) in _provisioned()


def test_every_color_is_of_the_palette() -> None:
    allowed = {value for name, value in vars(palette).items() if name.isupper()}
    used = {text for document in DOCUMENTS.values() for text in _texts(document) if text[:1] == "#"}
    assert used
    assert used <= allowed


def test_the_provider_reads_the_folder_that_holds_the_dashboards() -> None:
    provider = yaml.safe_load((PROVISIONED / "dashboards/vigie.yaml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = dict(
        mount.split(":")[1::-1]
        for mount in compose["services"]["grafana"]["volumes"]
        if mount.startswith("./")
    )
    folder = ROOT / mounts[provider["options"]["path"]]
    assert folder.resolve() == COMMITTED.resolve()
    assert provider["folderUid"] == commands.FOLDER_UID


def test_no_provisioning_file_holds_a_secret() -> None:
    for path in PROVISIONED.rglob("*.yaml"):
        for source in yaml.safe_load(path.read_text()).get("datasources", []):
            for value in source.get("secureJsonData", {}).values():
                assert value.startswith("$__file{/run/secrets/")


def _provisioned() -> set[tuple[str, str]]:
    files = (PROVISIONED / "datasources").glob("*.yaml")
    sources = [
        source for file in files for source in yaml.safe_load(file.read_text())["datasources"]
    ]
    return {(source["type"], source["uid"]) for source in sources}


def _overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not beside and not above


def _texts(document: Any) -> list[str]:
    found: list[str] = []
    json.loads(json.dumps(document), object_hook=lambda item: found.extend(item.values()))
    return [value for value in found if isinstance(value, str)]
