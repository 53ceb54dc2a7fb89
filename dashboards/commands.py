"""What `vigie dashboards` does: write the dashboards as JSON, or push them to a running Grafana."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, TokenAuth
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import federation

FOLDER_UID, FOLDER_TITLE = "vigie", "Vigie"
NOT_FOUND = 404


def documents() -> dict[str, dict[str, Any]]:
    """Every dashboard as Grafana stores it, by its uid."""
    made = (federation.dashboard(),)
    return {str(board.uid): json.loads(JSONEncoder().encode(board)) for board in made}


def build(out: Path) -> list[Path]:
    """Write each dashboard to `out/<uid>.json`; return the files. The same code, the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    return [_write(out / f"{uid}.json", document) for uid, document in documents().items()]


def push(url: str, token: str) -> None:
    """Put every dashboard into the folder "Vigie" of the Grafana at `url`. Safe to run again.

    `token` is a service account's, with the right to write folders and dashboards. Dashboards that
    were provisioned from files cannot be pushed over; Grafana then refuses with an error.

    Raises:
        grafana_client.client.GrafanaException: if Grafana refuses or does not answer.
    """
    grafana = GrafanaApi.from_url(url, credential=TokenAuth(token))
    _ensure_folder(grafana)
    for document in documents().values():
        change = {"dashboard": document, "folderUid": FOLDER_UID, "overwrite": True}
        grafana.dashboard.update_dashboard(change)


def _ensure_folder(grafana: GrafanaApi) -> None:
    try:
        grafana.folder.get_folder(FOLDER_UID)
    except GrafanaClientError as error:
        if error.status_code != NOT_FOUND:
            raise
        grafana.folder.create_folder(FOLDER_TITLE, uid=FOLDER_UID)


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
