"""The federation that both frameworks train in: founded over HTTP, and asked how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.frameworks import stations

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "beijing_air" / "hourly_2013-03_2014-12.csv.gz"
FEDERATION, MODEL = "beijing", "smog"
PSEUDONYM_KEY = "5a" * 32

Call = Callable[..., Any]


@dataclass(frozen=True)
class Founded:
    """`read` a path as the owner; and what the FL server has to know."""

    read: Call
    environment: dict[str, str]


def founded(url: str, admin: str, rounds: int) -> Founded:
    """Found it: a champion, a bin spec, and a policy that asks for so many `rounds`."""

    def ask(key: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.request(
            method, f"{url}/v1/federations{path}", headers=headers, json=body, timeout=30
        )
        assert answer.is_success, answer.text
        return answer.json()

    def key(role: str) -> str:
        made = ask(admin, "POST", f"/{FEDERATION}/keys", {"holder": role, "role": role})
        return str(made["key"])

    ask(admin, "POST", "", {"name": FEDERATION, "title": "Beijing"})
    owner, server = key("owner"), key("ingest")
    ask(owner, "PUT", f"/{FEDERATION}/policy", _policy(rounds))
    spec = ask(server, "POST", f"/{FEDERATION}/bin-specs", stations.BIN_SPEC)["id"]
    version = {"run": "fit", "weights_sha256": "0" * 64}
    ask(server, "POST", f"/{FEDERATION}/models/{MODEL}/versions", version)
    environment = {
        "VIGIE_URL": url,
        "VIGIE_API_KEY": server,
        "VIGIE_FEDERATION": FEDERATION,
        "VIGIE_BIN_SPEC": spec,
        "VIGIE_PSEUDONYM_KEY": PSEUDONYM_KEY,
    }
    return Founded(lambda path: ask(owner, "GET", f"/{FEDERATION}{path}"), environment)


def judged(read: Call) -> int:
    """How many rounds are evaluated."""
    return sum(round_["state"] == "evaluated" for round_ in read("/rounds"))


def concept_incident(read: Call) -> dict[str, Any]:
    """The one incident with more errors among its evidence, whatever it is named by."""
    found = read("/incidents")
    erring = [
        one
        for one in found
        if "log_loss" in {subject["subject"] for subject in one["evidence"]["subjects"]}
    ]
    assert len(erring) == 1, found
    return dict(erring[0])


def check_training(read: Call, request_id: str, numbers: list[int]) -> None:
    """The request is completed: by a version from rounds of these numbers, all clients in each."""
    (request,) = read("/retrain-requests")
    ended = (request["id"], request["state"], request["result_version"])
    assert ended == (request_id, "completed", "2")
    fitted = [round_ for round_ in read("/rounds") if round_["phase"] == "fit"]
    assert sorted(round_["number"] for round_ in fitted) == numbers
    assert {round_["accepted"] for round_ in read("/rounds")} == {len(stations.STATIONS)}
    (trained,) = (one for one in read(f"/models/{MODEL}/versions") if one["version"] == "2")
    assert {trained["run"]} == {round_["run"] for round_ in fitted}
    assert trained["retrain_request_id"] == request_id


def _policy(rounds: int) -> dict[str, Any]:
    return {
        "reference": {"rounds": stations.CALM},
        "drift": {"latest_rounds": 1},
        "retraining": {"rounds": rounds},
    }
