"""The compose file's structure: no container engine is needed to see most mistakes in it."""

import copy
import ipaddress
import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.core.settings import Settings
from tests.unit.deployment.compose import COMPOSE, ROOT, SERVICES, commands, mounted_files

ONE_SHOTS = {"migrate", "grafana-role"}
PARTS = {"api", "worker", "beat", "postgres", "redis", "mlflow", "prometheus", "alertmanager",
         "grafana", *ONE_SHOTS}  # fmt: skip
CONDITIONS = {"service_healthy", "service_completed_successfully"}
LIMITS = {"cpus", "memory", "pids"}
# Who must reach whom; everything else is kept apart.
TALKS = {
    ("api", "postgres"), ("worker", "postgres"), ("migrate", "postgres"),
    ("grafana-role", "postgres"), ("grafana", "postgres"), ("mlflow", "postgres"),
    ("api", "redis"), ("worker", "redis"), ("beat", "redis"), ("worker", "mlflow"),
    ("worker", "alertmanager"),
    ("prometheus", "alertmanager"), ("prometheus", "api"), ("grafana", "prometheus"),
    ("grafana", "alertmanager"),
}  # fmt: skip
KEPT_APART = [
    ("grafana", "redis"), ("grafana", "mlflow"), ("grafana", "worker"),
    ("api", "mlflow"), ("prometheus", "postgres"), ("alertmanager", "postgres"),
    ("beat", "postgres"), ("mlflow", "redis"),
]  # fmt: skip

# The Compose Specification's own schema of 2026-06-23 (Apache-2.0, by the specification's authors).
SCHEMA = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parent / "compose-spec.json").read_text())
)

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def test_every_part_of_the_full_profile_is_there() -> None:
    assert set(SERVICES) == PARTS


def test_the_file_is_of_the_specifications_schema() -> None:
    assert [f"{list(error.instance_path)}: {error}" for error in SCHEMA.iter_errors(COMPOSE)] == []


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (("services", "api"), {"dependson": []}),
        (("services", "api", "healthcheck"), {"tests": []}),
        (("services", "api", "deploy", "resources", "limits"), {"ram": "1G"}),
        (("services", "api"), {"read_only": []}),
    ],
)
def test_the_schema_finds_what_is_misspelt(where: tuple[str, ...], wrong: dict[str, Any]) -> None:
    spoiled = copy.deepcopy(COMPOSE)
    inner = spoiled
    for name in where:
        inner = inner[name]
    inner.update(wrong)
    assert not SCHEMA.is_valid(spoiled)


@each_service
def test_an_image_is_pinned_by_its_version(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].rpartition(":")
    assert name
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-\w+)?", tag)


@each_service
def test_a_container_is_hardened_and_limited(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == LIMITS


@each_service
def test_no_container_runs_as_root(service: dict[str, Any]) -> None:
    if "build" in service:
        assert re.search(r"^USER vigie", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    else:
        assert int(service["user"].split(":")[0]) > 0


@each_service
def test_a_dependency_is_on_a_service_that_can_meet_its_condition(service: dict[str, Any]) -> None:
    for name, how in service.get("depends_on", {}).items():
        assert how["condition"] in CONDITIONS
        if how["condition"] == "service_healthy":
            assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        else:
            assert name in ONE_SHOTS


@each_service
def test_a_port_is_published_on_this_machine_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert ipaddress.ip_address(port.split(":")[0]).is_loopback


@each_service
def test_a_service_that_publishes_a_port_is_on_a_network_that_can(service: dict[str, Any]) -> None:
    if "ports" in service:
        assert any(not _internal(network) for network in service["networks"])


@each_service
def test_every_mounted_file_is_there_and_read_only(service: dict[str, Any]) -> None:
    assert all(path.exists() for path in mounted_files(service))
    own = [mount for mount in service.get("volumes", []) if mount.startswith(".")]
    assert all(mount.endswith(":ro") for mount in own)
    named = {mount.split(":")[0] for mount in service.get("volumes", [])} - {
        mount.split(":")[0] for mount in own
    }
    assert named <= set(COMPOSE["volumes"])


@each_service
def test_every_secret_that_is_read_is_declared_and_mounted(service: dict[str, Any]) -> None:
    texts = [*commands(service), *map(str, service.get("environment", {}).values())]
    texts += [path.read_text() for path in mounted_files(service) if path.is_file()]
    texts += [
        path.read_text() for folder in mounted_files(service) for path in folder.rglob("*.yaml")
    ]
    read = {name for text in texts for name in re.findall(r"/run/secrets/(\w+)", text)}
    assert read == set(service.get("secrets", []))
    assert read <= set(COMPOSE["secrets"])


@each_service
def test_no_secret_is_written_down(service: dict[str, Any]) -> None:
    for name, value in service.get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name):
            assert value.startswith(("/run/secrets/", "/var/lib/vigie/keys/"))
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name} holds a password"


def test_every_secret_is_made_by_the_documented_command_and_kept_out_of_git_and_the_image() -> None:
    made = re.findall(
        r"^make_secret (\w+)", (ROOT / "deploy/make-secrets.sh").read_text(), re.MULTILINE
    )
    assert set(made) == set(COMPOSE["secrets"])
    for name, where in COMPOSE["secrets"].items():
        assert where == {"file": f"./secrets/{name}.txt"}
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_how_to_names_every_secret_and_every_published_port() -> None:
    guide = (ROOT / "docs/how-to/full-profile.md").read_text()
    assert all(f"`{name}`" in guide for name in COMPOSE["secrets"])
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(f"http://127.0.0.1:{port.rsplit(':', 1)[1]}>" in guide for port in ports)


@each_service
def test_every_setting_of_ours_exists(service: dict[str, Any]) -> None:
    for name in service.get("environment", {}):
        if name.startswith("VIGIE_"):
            assert name.removeprefix("VIGIE_").lower() in Settings.model_fields, name


@pytest.mark.parametrize("volume", ["reports", "artifacts"])
def test_api_and_worker_share_what_is_kept_in_files(volume: str) -> None:
    mount = f"{volume}:/var/lib/vigie/{volume}"
    assert mount in SERVICES["api"]["volumes"]
    assert mount in SERVICES["worker"]["volumes"]


@pytest.mark.parametrize("pair", sorted(TALKS), ids="-".join)
def test_who_must_talk_shares_a_network(pair: tuple[str, str]) -> None:
    assert _shared(*pair)


@pytest.mark.parametrize("pair", KEPT_APART, ids="-".join)
def test_who_need_not_talk_cannot(pair: tuple[str, str]) -> None:
    assert not _shared(*pair)


def test_every_network_is_declared_and_the_ones_that_reach_out_hold_one_service() -> None:
    used = {network for service in SERVICES.values() for network in service["networks"]}
    assert used == set(COMPOSE["networks"])
    open_ones = {network for network in used if not _internal(network)}
    for a, b in combinations(SERVICES, 2):
        assert not _shared(a, b) & open_ones


def test_the_example_environment_names_what_the_file_reads_and_sets_nothing() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    read = re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
    assert set(settings) == set(read)
    assert not any(settings.values())


def _shared(a: str, b: str) -> set[str]:
    return set(SERVICES[a]["networks"]) & set(SERVICES[b]["networks"])


def _internal(network: str) -> bool:
    return bool(COMPOSE["networks"][network].get("internal"))
