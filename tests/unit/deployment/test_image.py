"""The image's recipe, and the hooks that run before a commit."""

import re
import tomllib
from fnmatch import fnmatch

import yaml

from tests.unit.deployment.compose import ROOT, SERVICES

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
ALLOWED = [line.removeprefix("!") for line in IGNORED if line.startswith("!")]


def test_the_base_is_pinned_and_the_same_in_every_stage() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_dependencies_are_installed_by_hash_and_our_wheels_without_any() -> None:
    assert "pip install --require-hashes -r requirements/runtime.txt" in DOCKERFILE
    assert "pip wheel --no-deps" in DOCKERFILE
    assert "pip install --no-deps --no-index" in DOCKERFILE


def test_the_build_sees_what_it_copies_and_every_package_of_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], "pyproject.toml",
              project["project"]["readme"], *project["project"]["license-files"],
              "requirements/runtime.txt", "client/pyproject.toml", "client/src"}  # fmt: skip
    assert needed <= set(ALLOWED)


def test_what_the_build_sees_is_there() -> None:
    missing = [path for path in ALLOWED if not (ROOT / path).exists()]
    assert not missing


def test_no_secret_database_or_cache_can_get_into_the_image() -> None:
    for path in ("secrets", ".env", ".git", "vigie-data", "tests", ".venv"):
        assert not any(fnmatch(path, allowed) for allowed in ALLOWED)


def test_the_image_and_the_package_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SERVICES["api"]["image"] == f"vigie:{project['version']}"


def test_hooks_run_the_tools_of_the_development_environment() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    programs = {hook["entry"].split()[0] for hook in hooks}
    assert programs == {".venv/bin/ruff", ".venv/bin/mypy", ".venv/bin/lint-imports"}
