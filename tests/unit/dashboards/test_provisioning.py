"""Grafana's provisioning files, held to the structure that Grafana's documentation gives them.

The models below are written from "Provision Grafana" and "Use configuration files to provision
alerting resources" (Grafana 11.6); a field that is not there is refused here, as a slip would be
overlooked by Grafana.
"""
# ruff: noqa: N815 - fields are named as Grafana names them

import re
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from dashboards import checks, commands

ROOT = Path(__file__).parents[3]
PROVISIONING = ROOT / "dashboards/provisioning"
DOCUMENTS = commands.documents()
SECRET = r"\$__file\{/run/secrets/\w+\}"
DURATION = r"^\d+(s|m|h)$"
NO_EXPRESSION = "__expr__"


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DataSource(Part):
    name: str
    uid: str
    type: str
    access: Literal["proxy", "direct"]
    url: str
    user: str | None = None
    database: str | None = None
    isDefault: bool = False
    editable: bool
    jsonData: dict[str, Any]
    secureJsonData: dict[str, str] = {}


class DataSources(Part):
    apiVersion: Literal[1]
    datasources: list[DataSource]


class Provider(Part):
    name: str
    folder: str
    folderUid: str
    type: Literal["file"]
    allowUiUpdates: bool
    disableDeletion: bool
    options: dict[str, str]


class Providers(Part):
    apiVersion: Literal[1]
    providers: list[Provider]


class TimeRange(Part):
    from_: int = Field(alias="from")
    to: int


class RuleQuery(Part):
    refId: str
    datasourceUid: str
    relativeTimeRange: TimeRange
    model: dict[str, Any]


class Rule(Part):
    uid: str = Field(max_length=40, pattern=r"^[\w-]+$")
    title: str
    condition: str
    for_: str = Field(alias="for", pattern=DURATION)
    isPaused: str
    noDataState: Literal["NoData", "OK", "Alerting", "KeepLast"]
    execErrState: Literal["Error", "OK", "Alerting", "KeepLast"]
    labels: dict[str, str]
    annotations: dict[str, str]
    data: list[RuleQuery]


class Group(Part):
    orgId: int
    name: str
    folder: str
    interval: str = Field(pattern=DURATION)
    rules: list[Rule]


class Groups(Part):
    apiVersion: Literal[1]
    groups: list[Group]


class Receiver(Part):
    uid: str = Field(max_length=40, pattern=r"^[\w-]+$")
    type: str
    disableResolveMessage: bool
    settings: dict[str, str]


class ContactPoint(Part):
    orgId: int
    name: str
    receivers: list[Receiver]


class ContactPoints(Part):
    apiVersion: Literal[1]
    contactPoints: list[ContactPoint]


class Route(Part):
    orgId: int
    receiver: str
    group_by: list[str]
    group_wait: str = Field(pattern=DURATION)
    group_interval: str = Field(pattern=DURATION)
    repeat_interval: str = Field(pattern=DURATION)


class Policies(Part):
    apiVersion: Literal[1]
    policies: list[Route]


FILES: dict[str, type[Part]] = {
    "datasources/vigie.yaml": DataSources,
    "dashboards/vigie.yaml": Providers,
    "alerting/rules.yaml": Groups,
    "alerting/contact-points.yaml": ContactPoints,
    "alerting/policies.yaml": Policies,
}


def read(name: str) -> Any:
    return FILES[name].model_validate(yaml.safe_load((PROVISIONING / name).read_text()))


RULES: list[Rule] = [rule for group in read("alerting/rules.yaml").groups for rule in group.rules]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.uid)


def test_every_file_is_known_and_has_the_documented_structure() -> None:
    there = {str(path.relative_to(PROVISIONING)) for path in PROVISIONING.rglob("*.yaml")}
    assert there == set(FILES)
    assert all(read(name) for name in FILES)


def test_the_data_sources_are_those_that_the_dashboards_read() -> None:
    sources = read("datasources/vigie.yaml").datasources
    assert {(one.type, one.uid) for one in sources} == checks.PROVISIONED
    postgres = next(one for one in sources if one.uid == "vigie-postgres")
    assert postgres.database == postgres.jsonData["database"] == "vigie"
    assert postgres.user == "vigie_grafana"


def test_no_file_holds_a_secret() -> None:
    for source in read("datasources/vigie.yaml").datasources:
        assert all(re.fullmatch(SECRET, value) for value in source.secureJsonData.values())
    for point in read("alerting/contact-points.yaml").contactPoints:
        for receiver in point.receivers:
            assert all(value.startswith("$__") for value in receiver.settings.values())


def test_what_the_files_read_from_the_environment_is_set() -> None:
    text = "".join((PROVISIONING / name).read_text() for name in FILES)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    assert set(re.findall(r"\$__env\{(\w+)\}", text)) <= set(compose["environment"])
    assert set(re.findall(r"/run/secrets/(\w+)", text)) <= set(compose["secrets"])


def test_alerts_reach_a_contact_point_that_there_is() -> None:
    points = {point.name for point in read("alerting/contact-points.yaml").contactPoints}
    assert {route.receiver for route in read("alerting/policies.yaml").policies} <= points


def test_rules_lie_in_the_folder_of_the_dashboards_under_ids_of_their_own() -> None:
    (group,) = read("alerting/rules.yaml").groups
    assert group.folder == commands.FOLDER_TITLE
    assert len({rule.uid for rule in RULES}) == len(RULES)


@each_rule
def test_a_rule_is_put_together_from_what_there_is(rule: Rule) -> None:
    queries = {query.refId: query for query in rule.data}
    assert rule.condition in queries
    for name, query in queries.items():
        assert query.model["refId"] == name
        if query.datasourceUid == NO_EXPRESSION:
            assert query.model["expression"] in queries
        else:
            assert query.datasourceUid in {uid for _, uid in checks.PROVISIONED}


@each_rule
def test_a_rule_names_a_panel_that_shows_it_and_says_what_to_do(rule: Rule) -> None:
    document = DOCUMENTS[rule.annotations["__dashboardUid__"]]
    panels = {panel["id"]: panel["type"] for panel in document["panels"]}
    assert panels[int(rule.annotations["__panelId__"])] != "row"
    assert rule.labels["severity"] in {"warning", "critical"}
    assert rule.annotations["summary"].endswith(".")
    assert rule.annotations["description"].endswith(".")
