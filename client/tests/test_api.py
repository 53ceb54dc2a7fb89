from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from vigie_client import FieldError, VigieApi, VigieError, VigieUnreachable, __version__

if TYPE_CHECKING:
    from conftest import ScriptedService


@pytest.fixture
def api(service: ScriptedService, key: str) -> VigieApi:
    return VigieApi("https://vigie.test/base/", key, "stroke", transport=service.transport)


def test_a_round_goes_where_the_wire_format_says(
    api: VigieApi, service: ScriptedService, key: str
) -> None:
    receipt = VigieApi("https://vigie.test", key, "stroke", transport=service.transport).push_round(
        "run-1", 23, "evaluate", b'{"attempt":2}'
    )
    (request,) = service.requests
    assert request.method == "POST"
    assert (
        str(request.url) == "https://vigie.test/v1/federations/stroke/runs/run-1/rounds/23/evaluate"
    )
    assert request.headers["Authorization"] == f"Bearer {key}"
    assert request.headers["User-Agent"] == f"vigie-client/{__version__}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.content == b'{"attempt":2}'
    assert (receipt.round, receipt.attempt, receipt.accepted) == (23, 2, 2)
    assert receipt.received_at.isoformat() == "2026-11-21T10:00:00.123456+00:00"


def test_names_are_quoted_and_a_base_path_is_kept(api: VigieApi, service: ScriptedService) -> None:
    service.script.append(httpx.Response(200, json={"id": "bs_1"}))
    assert api.get_bin_spec("a/b ?") == {"id": "bs_1"}
    raw = service.requests[0].url.raw_path
    assert raw == b"/base/v1/federations/stroke/bin-specs/a%2Fb%20%3F"


def test_a_problem_becomes_an_error_with_its_facts(api: VigieApi, service: ScriptedService) -> None:
    service.script.append(service.problem(422, "invalid_round"))
    with pytest.raises(VigieError) as caught:
        api.push_round("r", 1, "fit", b"{}")
    error = caught.value
    assert (error.status, error.code, error.detail) == (
        422,
        "invalid_round",
        "It is invalid_round.",
    )
    assert error.errors == (FieldError("clients.0", "invalid_round", "so it is"),)
    assert str(error) == "422 invalid_round: It is invalid_round. (clients.0: so it is)"
    assert not error.transient


@pytest.mark.parametrize(
    ("in_header", "in_body", "told"),
    [
        ("run-1:12", None, "run-1:12"),
        ("of-a-proxy", "run-1:12", "run-1:12"),
        ("two words\r", None, None),
        ("x" * 65, None, None),
        (None, 12, None),
    ],
)
def test_a_refusal_names_the_request(
    api: VigieApi,
    service: ScriptedService,
    in_header: str | None,
    in_body: object,
    told: str | None,
) -> None:
    headers = {} if in_header is None else {"X-Request-ID": in_header}
    body = {"type": "urn:vigie:problem:no", "detail": "No.", "request_id": in_body}
    service.script.append(httpx.Response(409, json=body, headers=headers))
    with pytest.raises(VigieError) as caught:
        api.rounds()
    assert caught.value.request_id == told
    assert str(caught.value) == "409 no: No." + (f" [request {told}]" if told else "")


@pytest.mark.parametrize(
    "content", [b"<html>", b"[1]", b'{"errors": "none", "type": "about:blank"}']
)
def test_any_other_refusal_is_told_by_its_status(
    api: VigieApi, service: ScriptedService, content: bytes
) -> None:
    service.script.append(httpx.Response(404, content=content))
    with pytest.raises(VigieError, match=r"404 http_404: Not Found\. Is the URL that of Vigie"):
        api.rounds()


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, "unauthenticated", "ask an owner"),
        (403, "forbidden", "another role"),
        (409, "stale_attempt", "an attempt above the newest"),
        (413, "body_too_large", "VIGIE_MAX_BODY_BYTES as max_body_bytes"),
    ],
)
def test_a_refusal_says_what_to_do(
    api: VigieApi, service: ScriptedService, status: int, code: str, advice: str
) -> None:
    service.script.append(service.problem(status, code))
    with pytest.raises(VigieError, match=advice) as caught:
        api.rounds()
    assert str(caught.value).startswith(f"{status} {code}: It is {code}.")
    assert str(caught.value).endswith(caught.value.advice)


def test_a_body_that_a_proxy_cuts_off_is_told_as_the_proxys(
    api: VigieApi, service: ScriptedService
) -> None:
    service.script.append(httpx.Response(413, html="<h1>nginx</h1>"))
    with pytest.raises(VigieError, match="A proxy in between takes smaller bodies"):
        api.push_round("r", 1, "fit", b"{}")


def test_advice_is_not_told_twice(api: VigieApi, service: ScriptedService) -> None:
    service.script.append(service.problem(409, "conflicting_push"))  # its detail says it
    with pytest.raises(VigieError) as caught:
        api.push_round("r", 1, "fit", b"{}")
    assert caught.value.advice == ""


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(202, json={}),
        httpx.Response(202, json=[]),
        httpx.Response(204),
        httpx.Response(200, text="<html>Welcome to the hotel's network</html>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout(""),
        httpx.RemoteProtocolError("cut off"),
    ],
)
def test_what_is_no_answer_of_vigies_counts_as_unreachable(
    api: VigieApi, service: ScriptedService, answer: httpx.Response | Exception
) -> None:
    service.script.append(answer)
    with pytest.raises(VigieUnreachable, match=r"https://vigie\.test/base"):
        api.push_round("r", 1, "fit", b"{}")


def test_bin_specs_rounds_and_versions(api: VigieApi, service: ScriptedService) -> None:
    service.script.extend(
        [
            httpx.Response(200, json={"id": "bs_1", "labels": ["no", "yes"]}),
            httpx.Response(200, json=[{"round": 1}]),
            httpx.Response(201, json={"version": "3", "run": "run-1"}),
        ]
    )
    assert api.put_bin_spec({"labels": ["no", "yes"]})["id"] == "bs_1"
    assert api.rounds(model="late", limit=5) == [{"round": 1}]
    version = api.register_version("late/arrival", "run-1", "a" * 64, parent_version="2")
    assert version.version == "3"
    assert version.details["run"] == "run-1"
    bins, rounds, versions = service.requests
    assert bins.method == versions.method == "POST"
    assert rounds.url.query == b"limit=5&model=late"
    assert versions.url.raw_path.endswith(b"/models/late%2Farrival/versions")
    assert json.loads(versions.content)["parent_version"] == "2"


def test_who_is_served_what_is_asked_by_cohorts(api: VigieApi, service: ScriptedService) -> None:
    service.script.append(httpx.Response(200, json={"version": "2"}))
    assert api.serving("late/arrival", {"hub": "EWR", "size": "small"}) == {"version": "2"}
    (request,) = service.requests
    assert request.url.path.endswith("/models/late/arrival/serving")
    assert request.url.params.get_list("cohort") == ["hub=EWR", "size=small"]


def test_verdicts_explanations_and_incidents(api: VigieApi, service: ScriptedService) -> None:
    answers: tuple[object, ...] = ([{"id": "v"}], [{"sentence": "It moved."}], [])
    service.script.extend(httpx.Response(200, json=answer) for answer in answers)
    assert api.verdicts("round/1") == [{"id": "v"}]
    assert api.explanations("round/1") == [{"sentence": "It moved."}]
    assert api.incidents(limit=3) == []
    verdicts, explanations, incidents = (request.url.raw_path for request in service.requests)
    assert explanations == b"/base/v1/federations/stroke/rounds/round%2F1/explanation"
    assert verdicts == b"/base/v1/federations/stroke/rounds/round%2F1/verdicts"
    assert incidents == b"/base/v1/federations/stroke/incidents?limit=3"


def test_a_digest_that_is_none_is_refused_before_sending(
    api: VigieApi, service: ScriptedService
) -> None:
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        api.register_version("m", "r", "A" * 64)
    assert service.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "vigie.test",
        "ftp://vigie.test",
        "https://",
        "https://me:pw@vigie.test",
        "https://v.test?a=1",
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, key: str) -> None:
    with pytest.raises(ValueError, match="The URL"):
        VigieApi(url, key, "stroke")


@pytest.mark.parametrize("bad", ["", "vk_secret\n", "vk_secret x", "vk_secrét"])
def test_a_key_that_fits_no_header_is_refused_unseen(bad: str) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        VigieApi("https://vigie.test", bad, "stroke")
    assert "secr" not in str(caught.value)


def test_the_key_is_hidden(api: VigieApi, key: str) -> None:
    assert key not in repr(api)
    assert "vigie.test" in repr(api)


def test_weights_go_as_a_file_piece_by_piece(
    api: VigieApi, service: ScriptedService, tmp_path: Path
) -> None:
    file = tmp_path / "weights.npz"
    file.write_bytes(b"weights" * 100_000)
    service.script.append(httpx.Response(200, json={"artifact_state": "verified"}))
    assert api.upload_weights("late/arrival", "2", file) == {"artifact_state": "verified"}
    (request,) = service.requests
    assert request.method == "PUT"
    assert request.url.raw_path.endswith(b"/models/late%2Farrival/versions/2/weights")
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.content == file.read_bytes()
