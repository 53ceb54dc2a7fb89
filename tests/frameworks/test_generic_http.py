"""The example with nothing but HTTP, against the service on loopback."""

from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient

from app.federations.roles import Role

EXAMPLE = Path(__file__).parents[2] / "client" / "examples" / "generic_http.py"
LONGEST = 40
FEDERATION, MODEL = "flights", "stroke"

KeyOf = Callable[..., dict[str, str]]
RunExample = Callable[[str, dict[str, str]], str]


def test_a_round_arrives_and_a_retrain_request_is_carried_out(
    api: TestClient, key_of: KeyOf, run_example: RunExample
) -> None:
    server, on_call = key_of(Role.INGEST), key_of(Role.ON_CALL)
    base = f"/v1/federations/{FEDERATION}"
    first = {"run": "fit", "weights_sha256": "0" * 64}
    api.post(f"{base}/models/{MODEL}/versions", json=first, headers=server).raise_for_status()
    asked = {"model": MODEL, "reason": "New hospitals joined."}
    request = api.post(f"{base}/retrain-requests", json=asked, headers=on_call).json()

    receipt, version = run_example(EXAMPLE.name, server).split()

    (round_,) = api.get(f"{base}/rounds", headers=on_call).json()
    assert (round_["run"], round_["accepted"], bool(receipt)) == ("run-1", 1, True)
    ended = api.get(f"{base}/retrain-requests/{request['id']}", headers=on_call).json()
    assert (ended["state"], ended["result_version"]) == ("completed", version)


def test_it_is_as_short_as_it_says() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= LONGEST
