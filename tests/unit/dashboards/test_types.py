"""The dashboards' JSON against Grafana's published types (`@grafana/schema` 11.6.0).

`grafana_types/dashboard.schema.json` is a JSON Schema that was generated from those types, so that
checking needs no Node; `grafana_types/types.ts` says how, and where it departs from them.
"""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from dashboards import commands

SCHEMA = json.loads((Path(__file__).parent / "grafana_types/dashboard.schema.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)
DOCUMENTS = commands.documents()


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_dashboard_is_of_grafanas_types(document: dict[str, Any]) -> None:
    errors = [
        f"{list(error.instance_path)}: {error.message}" for error in VALIDATOR.iter_errors(document)
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("panels", 1, "fieldConfig", "defaults", "unt"), "s"),
        (("panels", 1, "options", "graphMode"), "sparkles"),
        (("panels", 1, "gridPos", "w"), "6"),
        (("panels", 1, "type"), "worldmap"),
        (("links", 0, "type"), "page"),
        (("graphTooltip",), 7),
    ],
)
def test_a_slip_is_refused(place: tuple[str | int, ...], value: object) -> None:
    document: Any = copy.deepcopy(DOCUMENTS["vigie-overview"])
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    assert not VALIDATOR.is_valid(document)
