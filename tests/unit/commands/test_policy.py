"""`vigie policy` against the real service: YAML out, YAML in, and nothing by accident."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import Result
from fastapi.testclient import TestClient

from app.federations.policy import Policy
from app.federations.policy.yaml_text import MOST_BYTES, read
from app.federations.roles import Role

Vigie = Callable[..., Result]
KeyOf = Callable[..., dict[str, str]]
Network = Callable[[httpx.MockTransport], None]
POLICY = "/v1/federations/flights/policy"
HOURS = """\
# Hours swing with the season.
drift:
  subjects:
    feature:hour: {effect: 2e-1, season_rounds: 7}
    feature:origin: {judged: false}
"""


@pytest.fixture
def owner(vigie: Vigie, key_of: KeyOf, monkeypatch: pytest.MonkeyPatch) -> Vigie:
    """The command with an owner's key."""
    monkeypatch.setenv("VIGIE_KEY", key_of(Role.OWNER)["Authorization"].removeprefix("Bearer "))
    return vigie


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(HOURS)
    return path


@pytest.mark.usefixtures("service")
def test_what_is_shown_can_be_applied_and_is_then_the_same(owner: Vigie, file: Path) -> None:
    applied = owner("policy", "apply", str(file), "--why", "the season", input="y\n")
    assert applied.exit_code == 0, applied.output
    assert "Against version 1 of flights:" in applied.stdout
    assert 'drift.subjects.feature:origin: none -> {"judged": false}' in applied.stdout
    assert applied.stdout.endswith("Version 2 is in force.\n")
    shown = owner("policy", "show").stdout
    assert shown.startswith("# Policy of flights, version 2; what is left out has its default.\n")
    assert read(shown.encode())[1] == read(HOURS.encode())[1]
    again = owner("policy", "apply", "-", "--yes", input=shown)
    assert again.exit_code == 0
    assert "Nothing would change: version 2" in again.stdout


@pytest.mark.usefixtures("service")
def test_history_tells_who_when_and_why_and_old_versions_can_be_shown(
    owner: Vigie, file: Path
) -> None:
    owner("policy", "apply", str(file), "--why", "the season", "--yes")
    newest, oldest = owner("policy", "history").stdout.splitlines()
    assert newest.startswith("2  ")
    assert " UTC  owner: the season  (" in newest
    assert oldest.startswith("1  ")
    assert [row["version"] for row in json.loads(owner("policy", "history", "--json").stdout)] == [
        2,
        1,
    ]
    assert owner("policy", "show", "--version", "1").stdout.splitlines()[1:] == ["{}"]
    full = owner("policy", "show", "--version", "1", "--full").stdout
    assert yaml.safe_load(full)["drift"]["effects"]["score"] == 0.1
    assert json.loads(owner("policy", "show", "--json").stdout) == {
        "drift": {
            "subjects": {
                "feature:hour": {"effect": 0.2, "season_rounds": 7},
                "feature:origin": {"judged": False},
            }
        }
    }
    missing = owner("policy", "show", "--version", "9")
    assert missing.exit_code == 1
    assert "No policy version 9 here" in missing.stderr


@pytest.mark.usefixtures("service")
def test_diff_changes_nothing_and_its_exit_code_says_whether_something_would(
    owner: Vigie, file: Path
) -> None:
    different = owner("policy", "diff", str(file))
    assert different.exit_code == 3
    assert "drift.subjects.feature:hour: none -> " in different.stdout
    as_json = json.loads(owner("policy", "diff", str(file), "--json").stdout)
    assert [change["field"] for change in as_json] == [
        "drift.subjects.feature:hour",
        "drift.subjects.feature:origin",
    ]
    assert len(owner("policy", "history").stdout.splitlines()) == 1
    owner("policy", "apply", str(file), "--yes")
    assert owner("policy", "diff", str(file)).exit_code == 0


@pytest.mark.usefixtures("service")
def test_who_does_not_say_yes_changes_nothing(owner: Vigie, file: Path) -> None:
    assert owner("policy", "apply", str(file), input="n\n").exit_code == 1
    assert owner("policy", "apply", str(file)).exit_code == 1  # nobody there to answer
    unattended = owner("policy", "apply", "-", input=HOURS)
    assert unattended.exit_code == 2
    assert "--yes" in unattended.stderr
    assert len(owner("policy", "history").stdout.splitlines()) == 1


@pytest.mark.usefixtures("service")
def test_a_viewers_key_shows_and_compares_and_sets_nothing(
    vigie: Vigie, key_of: KeyOf, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_KEY", key_of(Role.VIEWER)["Authorization"].removeprefix("Bearer "))
    assert vigie("policy", "show").exit_code == 0
    assert vigie("policy", "diff", str(file)).exit_code == 3
    refused = vigie("policy", "apply", str(file), "--yes")
    assert refused.exit_code == 1
    assert "403 forbidden: The role viewer may not set policy." in refused.stderr


def test_a_policy_that_another_set_meanwhile_is_not_overwritten(
    owner: Vigie, file: Path, api: TestClient, key_of: KeyOf, network: Network
) -> None:
    headers = key_of(Role.OWNER, holder="Ada")

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        if request.method == "PUT":  # Ada is quicker
            api.put(POLICY, json={"drift": {"min_clients": 9}}, headers=headers)
        given = api.request(
            request.method, path, content=request.content, headers=dict(request.headers)
        )
        return httpx.Response(given.status_code, content=given.content, headers=given.headers)

    network(httpx.MockTransport(answer))
    refused = owner("policy", "apply", str(file), "--yes")
    assert refused.exit_code == 1
    assert "The policy in force is version 2, not 1" in refused.stderr
    assert "vigie policy diff" in refused.stderr
    assert "attempt" not in refused.stderr
    assert api.get(POLICY, headers=headers).json()["policy"]["drift"]["min_clients"] == 9


def test_a_file_is_checked_without_a_service(vigie: Vigie, file: Path, tmp_path: Path) -> None:
    assert vigie("policy", "check", str(file)).exit_code == 0
    file.write_text("drift:\n  subjects:\n    log_loss:\n      detectors:\n        adwin:\n")
    wrong = vigie("policy", "check", str(file))
    assert wrong.exit_code == 1
    assert "Line 5: drift.subjects.log_loss.detectors.adwin: " in wrong.stderr
    assert vigie("policy", "check", str(tmp_path / "none.yaml")).exit_code == 2
    assert vigie("policy", "check", "-", input="x" * (MOST_BYTES + 1)).exit_code == 1


def test_the_defaults_are_a_policy_with_comments_that_is_the_default(vigie: Vigie) -> None:
    told = vigie("policy", "defaults").stdout
    assert "# Largest gap of the distribution functions.\n    score: 0.1\n" in told
    assert read(told.encode())[1] == Policy()
    assert max(len(line) for line in told.splitlines()) <= 100


@pytest.mark.parametrize("command", ["show", "history", "check", "diff", "apply", "defaults"])
def test_every_command_has_an_example(vigie: Vigie, command: str) -> None:
    told: Any = vigie("policy", command, "--help")
    assert f"vigie policy {command}" in told.stdout
