"""The manifests of deploy/kubernetes: of Kubernetes' own schemas, and hardened as compose is."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from annotated_types import Le

from app.core.settings import Settings
from tests.unit.deployment.compose import ROOT, SERVICES
from workers.ending import SPARE_SECONDS

FOLDER = ROOT / "deploy/kubernetes"
VERSIONS = ("1.30", "1.37")  # the oldest that is meant, and the newest that is known
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for name in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((FOLDER / name).read_text())
]
PODS = {
    one["metadata"]["name"].removeprefix("vigie-"): one["spec"]["template"]
    for one in MANIFESTS
    if one["kind"] in {"Deployment", "Job"}
}
SETTINGS: dict[str, str] = next(one for one in MANIFESTS if one["kind"] == "ConfigMap")["data"]
# Every process has all settings there are, and reads those that it needs.
OURS = ("migrate", "api", "worker", "beat")
OF_PEOPLE = re.compile("VIGIE_OIDC_")  # put into the settings where people sign in so

each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS.keys())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "manifest", MANIFESTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_a_manifest_is_of_kubernetes_schema(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_manifest_is_found() -> None:
    wrong = yaml.safe_load((FOLDER / "network.yaml").read_text().split("---")[0])
    wrong["spec"]["podSelektor"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_file_is_part_of_the_whole() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])


def test_the_processes_are_those_of_compose_by_the_same_commands() -> None:
    assert set(PODS) == set(OURS)
    for name, pod in PODS.items():
        assert _container(pod)["command"] == SERVICES[name]["command"]
        assert _container(pod)["image"] == SERVICES[name]["image"]


def test_a_worker_has_the_time_to_end_that_its_settings_allow() -> None:
    (longest,) = (
        one.le for one in Settings.model_fields["delivery_seconds"].metadata if isinstance(one, Le)
    )
    needed = longest + SPARE_SECONDS
    assert PODS["worker"]["spec"]["terminationGracePeriodSeconds"] > needed
    assert float(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > needed


@pytest.mark.parametrize("name", OURS)
def test_a_process_has_the_settings_that_compose_gives_it(name: str) -> None:
    container = _container(PODS[name])
    own = {one["name"] for one in container.get("env", [])}
    needed = {one for one in SERVICES[name]["environment"] if not OF_PEOPLE.match(one)}
    assert needed <= own | set(SETTINGS)
    assert container["envFrom"] == [{"configMapRef": {"name": "vigie-settings"}}]


@pytest.mark.parametrize("name", OURS)
def test_a_pod_mounts_the_secrets_that_compose_gives_it_as_files(name: str) -> None:
    pod = PODS[name]
    (secrets,) = [one["secret"] for one in pod["spec"]["volumes"] if "secret" in one]
    kept_in_a_volume = {"audit_key"} if name == "api" else set()
    given = set(SERVICES[name]["secrets"]) - {"oidc_client_secret"} | kept_in_a_volume
    assert {item["path"] for item in secrets["items"]} == given
    assert secrets["defaultMode"] == 0o440
    mounted = [one for one in _container(pod)["volumeMounts"] if one["name"] == "secrets"]
    assert mounted == [{"name": "secrets", "mountPath": "/run/secrets/vigie", "readOnly": True}]


def test_the_settings_name_files_that_some_pod_mounts() -> None:
    named = {value for name, value in SETTINGS.items() if name.endswith("_FILE")}
    assert named == {
        f"/run/secrets/vigie/{name}"
        for name in ("database_password", "redis_password", "vigie_secret")
    }


@each_pod
def test_a_pod_is_hardened_and_limited(pod: dict[str, Any]) -> None:
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    container = _container(pod)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    volumes = {one["name"] for one in pod["spec"]["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes


def test_the_api_is_probed_and_one_of_each_stays_up() -> None:
    probes = _container(PODS["api"])
    assert probes["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert probes["livenessProbe"]["httpGet"]["path"] == "/healthz"
    kept = [one["metadata"]["name"] for one in MANIFESTS if one["kind"] == "PodDisruptionBudget"]
    assert sorted(kept) == ["vigie-api", "vigie-worker"]
    replicas = {
        one["metadata"]["name"]: one["spec"]["replicas"]
        for one in MANIFESTS
        if one["kind"] == "Deployment"
    }
    assert replicas == {"vigie-api": 2, "vigie-worker": 2, "vigie-beat": 1}


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    return container
