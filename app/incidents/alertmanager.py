"""Incidents as Alertmanager alerts, by its v2 API."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.incidents.messages import Telling
from app.incidents.sending import Limits, post
from app.incidents.tables import Announcement, Incident

ALERTNAME, DRILL_ALERTNAME, GOVERNANCE_ALERTNAME = "VigieDrift", "VigieDrill", "VigieGovernance"
DRILL_LASTS, GOVERNANCE_LASTS = timedelta(minutes=5), timedelta(hours=1)


class AlertsRefusedError(Exception):
    """Alertmanager did not take alerts; the address, which may hold a password, is not quoted."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Alertmanager answered {status}; see its own log.")


def alert_of(
    incident: Incident,
    federation: str,
    telling: Telling,
    *,
    severity: str | None = None,
    ended_at: datetime | None = None,
) -> dict[str, Any]:
    """The alert of an incident: firing while it is not resolved, ended when it is.

    Grouping, inhibition and silences in Alertmanager work on the labels. Labels are an alert's
    identity there, so that an incident which became more severe is another alert: the one under the
    former `severity` has to be ended.
    """
    alert: dict[str, Any] = {
        "labels": {
            "alertname": ALERTNAME,
            "federation": federation,
            "model": incident.model,
            "family": incident.family,
            "scope": incident.scope,
            "severity": severity or incident.severity,
            "incident": str(incident.id),
        },
        "annotations": _annotations(telling),
        "generatorURL": telling.links["Incident"],
        "startsAt": incident.opened_at.isoformat(),
    }
    end = ended_at or incident.resolved_at
    return alert if end is None else alert | {"endsAt": end.isoformat()}


def drill_alert(federation: str, telling: Telling, drill: Announcement) -> dict[str, Any]:
    """The alert of a drill, which ends by itself."""
    return {
        "labels": {
            "alertname": DRILL_ALERTNAME,
            "federation": federation,
            "severity": drill.severity,
            "drill": str(drill.id),
        },
        "annotations": _annotations(telling),
        "generatorURL": telling.links["Console"],
        "startsAt": drill.at.isoformat(),
        "endsAt": (drill.at + DRILL_LASTS).isoformat(),
    }


def governance_alert(federation: str, telling: Telling, told: Announcement) -> dict[str, Any]:
    """The alert of what is no incident of drift: it is told once, and ends by itself."""
    return {
        "labels": {
            "alertname": GOVERNANCE_ALERTNAME,
            "federation": federation,
            "severity": told.severity,
            "event": told.event,
            "announcement": str(told.id),
        },
        "annotations": _annotations(telling),
        "generatorURL": telling.links["Console"],
        "startsAt": told.at.isoformat(),
        "endsAt": (told.at + GOVERNANCE_LASTS).isoformat(),
    }


def post_alerts(base_url: str, alerts: list[dict[str, Any]], limits: Limits) -> None:
    """Send alerts; the same again is harmless, since labels identify them.

    Raises:
        AlertsRefusedError: if Alertmanager does not take them.
        SendingError: if it does not answer in time.
    """
    if not alerts:
        return
    url = f"{base_url.rstrip('/')}/api/v2/alerts"
    # The installation's own settings say where Alertmanager is: a private network, most likely.
    answer = post(url, json.dumps(alerts).encode(), {}, replace(limits, allow_private=True))
    if not answer.taken:
        raise AlertsRefusedError(answer.status)


def _annotations(telling: Telling) -> dict[str, str]:
    """By convention `summary`, `description` and `runbook_url`."""
    links = {f"{name.lower()}_url": url for name, url in telling.links.items()}
    return {"summary": telling.title, "description": telling.text(), **links}
