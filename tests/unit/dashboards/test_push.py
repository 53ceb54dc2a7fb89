"""Pushing to a Grafana: the folder is made once, and dashboards are overwritten by uid."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from grafana_client.client import GrafanaUnauthorizedError

from dashboards import commands
from dashboards.sources import OLD_PLUGIN, PLUGIN

TOKEN = "token-of-a-service-account"


class Grafana(ThreadingHTTPServer):
    """The few calls of Grafana's HTTP API that a push makes, and what was stored by them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sources = {"vigie-postgres": PLUGIN, "vigie-prometheus": "prometheus"}
        self.permissions: dict[str, Any] = {}
        self.folders: dict[str, str] = {}
        self.folders_made = 0
        self.dashboards: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Grafana

    def do_GET(self) -> None:
        uid = self.path.rsplit("/", 1)[-1]
        if not self._allowed():
            return
        if self.path.startswith("/api/datasources/uid/"):
            known = self.server.sources.get(uid)
            self._answer(200 if known else 404, {"uid": uid, "type": known or ""})
        elif uid in self.server.folders:
            self._answer(200, {"uid": uid, "title": self.server.folders[uid]})
        else:
            self._answer(404, {"message": "folder not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return
        if self.path == "/api/folders":
            self.server.folders[body["uid"]] = body["title"]
            self.server.folders_made += 1
        elif self.path.endswith("/permissions"):
            self.server.permissions[self.path.split("/")[3]] = body["items"]
        else:
            self.server.dashboards[body["dashboard"]["uid"]] = body
        self._answer(200, {"status": "success"})

    def log_message(self, *args: object) -> None:
        """Tests print nothing."""

    def _allowed(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {TOKEN}":
            return True
        self._answer(401, {"message": "Unauthorized"})
        return False

    def _answer(self, status: int, body: dict[str, str]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with Grafana() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_push_makes_the_folder_and_stores_the_dashboards_in_it(grafana: Grafana) -> None:
    commands.push(grafana.url, TOKEN)

    assert grafana.folders == {"vigie": "Vigie"}
    assert grafana.permissions == {"vigie": commands.PERMISSIONS}
    made = commands.documents()
    assert {uid: stored["dashboard"] for uid, stored in grafana.dashboards.items()} == made
    assert {stored["folderUid"] for stored in grafana.dashboards.values()} == {"vigie"}


def test_nobody_but_the_code_may_change_them() -> None:
    assert {(one["role"], one["permission"]) for one in commands.PERMISSIONS} == {
        ("Viewer", 1),
        ("Editor", 1),
    }


def test_links_lead_to_the_console_that_was_named(grafana: Grafana) -> None:
    commands.push(grafana.url, TOKEN, "https://vigie.example")
    for stored in grafana.dashboards.values():
        (console,) = (
            one for one in stored["dashboard"]["templating"]["list"] if one["name"] == "console"
        )
        assert console["query"] == "https://vigie.example"


def test_an_older_grafana_gets_the_plugin_by_its_older_name(grafana: Grafana) -> None:
    grafana.sources["vigie-postgres"] = OLD_PLUGIN
    commands.push(grafana.url, TOKEN)
    text = json.dumps(grafana.dashboards)
    assert f'"{OLD_PLUGIN}"' in text
    assert PLUGIN not in text


def test_a_data_source_that_is_missing_is_named_and_nothing_is_stored(grafana: Grafana) -> None:
    del grafana.sources["vigie-prometheus"]
    with pytest.raises(commands.MissingSourceError, match="vigie-prometheus"):
        commands.push(grafana.url, TOKEN)
    assert not grafana.dashboards


def test_a_second_push_changes_nothing(grafana: Grafana) -> None:
    commands.push(grafana.url, TOKEN)
    first = dict(grafana.dashboards)
    commands.push(grafana.url, TOKEN)

    assert grafana.folders_made == 1
    assert grafana.dashboards == first
    assert all(change["overwrite"] for change in grafana.dashboards.values())


def test_a_wrong_token_is_an_error_and_stores_nothing(grafana: Grafana) -> None:
    with pytest.raises(GrafanaUnauthorizedError):
        commands.push(grafana.url, "wrong")
    assert not grafana.dashboards
