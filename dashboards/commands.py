"""What `vigie dashboards` does: write dashboards as JSON, check them, or push them to Grafana."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, TokenAuth
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.boards import BOARDS
from dashboards.checks import faults_of
from dashboards.frame import CONSOLE
from dashboards.sources import DATABASE, METRICS, OLD_PLUGIN, PLUGIN

FOLDER_UID, FOLDER_TITLE = "vigie", "Vigie"
# Everybody who may sign in looks; the code alone changes what there is to look at.
MAY_VIEW = 1
PERMISSIONS = [{"role": role, "permission": MAY_VIEW} for role in ("Viewer", "Editor")]
NOT_FOUND = 404


class MissingSourceError(Exception):
    """That Grafana has no data source of the uid that the dashboards read."""

    def __init__(self, uid: str) -> None:
        super().__init__(
            f"Grafana has no data source with the uid {uid}. Make it as in"
            " dashboards/provisioning/datasources/vigie.yaml, then push again."
        )


def documents(console: str = CONSOLE) -> dict[str, dict[str, Any]]:
    """Every dashboard as Grafana stores it, by its uid; links lead to the console there."""
    made = (board.build(console) for board in BOARDS)
    return {str(board.uid): json.loads(JSONEncoder().encode(board)) for board in made}


def build(out: Path, console: str = CONSOLE) -> list[Path]:
    """Write each dashboard to `out/<uid>.json`; return the files. The same code, the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    made = documents(console).items()
    return [_write(out / f"{uid}.json", document) for uid, document in made]


def check(out: Path) -> list[str]:
    """What is wrong with the dashboards, and with their files in `out`, in words; empty if none."""
    made = documents()
    found = [fault for document in made.values() for fault in faults_of(document)]
    files = {path.stem: path.read_text(encoding="utf-8") for path in out.glob("*.json")}
    stale = sorted(files.keys() ^ made.keys()) + sorted(
        uid for uid in files.keys() & made.keys() if files[uid] != _text(made[uid])
    )
    return found + [f"{out / uid}.json is not what the code writes: build it anew" for uid in stale]


def push(url: str, token: str, console: str = CONSOLE) -> None:
    """Put every dashboard into the folder "Vigie" of the Grafana at `url`. Safe to run again.

    `token` is a service account's, with the right to write folders and dashboards. The data sources
    are there already, under the uids of the provisioning files; where PostgreSQL's plugin has its
    older name, the dashboards follow. Dashboards that were provisioned from files cannot be pushed
    over; Grafana then refuses with an error.

    Raises:
        MissingSourceError: naming a data source that is not there.
        grafana_client.client.GrafanaException: if Grafana refuses or does not answer.
    """
    grafana = GrafanaApi.from_url(url, credential=TokenAuth(token))
    plugin = _plugin_of(grafana, DATABASE.uid)
    _plugin_of(grafana, METRICS.uid)
    _ensure_folder(grafana)
    for document in documents(console).values():
        fitting = document if plugin == PLUGIN else _with_plugin(document, plugin)
        change = {"dashboard": fitting, "folderUid": FOLDER_UID, "overwrite": True}
        grafana.dashboard.update_dashboard(change)


def _plugin_of(grafana: GrafanaApi, uid: str) -> str:
    try:
        return str(grafana.datasource.get_datasource_by_uid(uid)["type"])
    except GrafanaClientError as error:
        if error.status_code != NOT_FOUND:
            raise
        raise MissingSourceError(uid) from error


def _with_plugin(document: Mapping[str, Any], plugin: str) -> dict[str, Any]:
    """The dashboard for a Grafana that knows PostgreSQL's plugin by its older name."""
    assert plugin == OLD_PLUGIN, plugin
    made: dict[str, Any] = json.loads(json.dumps(document).replace(f'"{PLUGIN}"', f'"{plugin}"'))
    return made


def _ensure_folder(grafana: GrafanaApi) -> None:
    try:
        grafana.folder.get_folder(FOLDER_UID)
    except GrafanaClientError as error:
        if error.status_code != NOT_FOUND:
            raise
        grafana.folder.create_folder(FOLDER_TITLE, uid=FOLDER_UID)
    grafana.folder.update_folder_permissions(FOLDER_UID, {"items": PERMISSIONS})


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    path.write_text(_text(document), encoding="utf-8")
    return path


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
