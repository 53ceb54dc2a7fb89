"""`vigie inventory`: from the questions to a described model and a review."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from fastapi.testclient import TestClient

from app.federations.roles import Role

Vigie = Callable[..., Result]


def test_from_the_questions_to_a_review(
    vigie: Vigie,
    service: TestClient,
    key_of: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def hold(role: Role, holder: str) -> dict[str, str]:
        headers = key_of(role, holder)
        monkeypatch.setenv("VIGIE_KEY", headers["Authorization"].removeprefix("Bearer "))
        return headers

    owner = hold(Role.OWNER, "Ada")
    service.post("/v1/federations/flights/models", headers=owner, json={"name": "late"})
    assert "not described" in vigie("inventory", "list").stdout
    asked = vigie("inventory", "questions").stdout
    names = list(yaml.safe_load(asked))
    choices = {}
    for part in asked.split("# materiality: ")[1:] + asked.split("# risk: ")[1:]:
        lines = part.splitlines()
        choices[lines[4].rstrip(":")] = lines[1].split(":")[0].removeprefix("#   ")
    entry = {"purpose": "Who will be late.", "data_used": "Departures.", "answers": choices}
    people = {"owner": "Ada", "developer": "Lin", "validator": "Grace"}
    file = tmp_path / "late.yaml"
    file.write_text(yaml.safe_dump(entry | people))
    done = vigie("inventory", "set", "late", str(file))
    assert set(names) == set(choices)
    assert done.stdout.startswith("late: criticality low (materiality 0 %, risk 0 %)")
    hold(Role.VALIDATOR, "Grace")
    reviewed = vigie("inventory", "review", "late", "--outcome", "fit", "--note", "sound")
    assert reviewed.exit_code == 0
    (shown,) = json.loads(vigie("inventory", "list", "--json").stdout)
    assert (shown["criticality"], shown["last_review_by"]) == ("low", "Grace")


@pytest.mark.usefixtures("service")
def test_a_file_that_is_no_entry_is_refused(vigie: Vigie, tmp_path: Path) -> None:
    file = tmp_path / "late.yaml"
    for text in ("just words", "a: [1"):
        file.write_text(text)
        assert vigie("inventory", "set", "late", str(file)).exit_code == 2
