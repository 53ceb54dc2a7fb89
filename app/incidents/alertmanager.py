"""Incidents as Alertmanager alerts, by its v2 API."""

from datetime import datetime
from typing import Any

import httpx

from app.incidents.notices import describe
from app.incidents.states import Event, IncidentState
from app.incidents.tables import Incident

TIMEOUT_SECONDS = 10.0


class AlertsRefusedError(Exception):
    """Alertmanager did not take alerts; unlike httpx's error it does not quote the address."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Alertmanager answered {status}; see its own log.")


def alert_of(incident: Incident, federation: str, link: str) -> dict[str, Any]:
    """The alert of an incident: firing while it is not resolved, ended when it is.

    Grouping, inhibition and silences in Alertmanager work on the labels, which do not change over
    an incident's life but for its severity.
    """
    resolved = incident.state == IncidentState.RESOLVED
    title, text = describe(incident, Event.RESOLVED if resolved else Event.OPENED, link)
    alert: dict[str, Any] = {
        "labels": {
            "alertname": "VigieDrift",
            "federation": federation,
            "model": incident.model,
            "family": incident.family,
            "scope": incident.scope,
            "severity": incident.severity,
            "incident": str(incident.id),
        },
        "annotations": {"summary": title, "description": text},
        "generatorURL": link,
        "startsAt": _text(incident.opened_at),
    }
    if incident.resolved_at is not None:
        alert["endsAt"] = _text(incident.resolved_at)
    return alert


def post_alerts(base_url: str, alerts: list[dict[str, Any]]) -> None:
    """Send alerts; the same again is harmless, since labels identify them.

    Raises:
        AlertsRefusedError: if Alertmanager does not take them.
        httpx.HTTPError: if it does not answer.
    """
    if not alerts:
        return
    url = f"{base_url.rstrip('/')}/api/v2/alerts"
    answer = httpx.post(url, json=alerts, timeout=TIMEOUT_SECONDS)
    if not answer.is_success:
        raise AlertsRefusedError(answer.status_code)


def _text(moment: datetime) -> str:
    return moment.isoformat()
