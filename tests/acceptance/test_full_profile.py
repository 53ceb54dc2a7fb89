"""The full profile as docker-compose.yml states it, with the demo's loop played through it.

Slow on purpose (a minute): nothing in it is a stand-in but the container engine. `make full-test`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from rich.console import Console

from demo.fl_server import FEDERATION, MODEL
from demo.flights import WEEKS, load
from demo.play import OWNER, REFERENCE_WEEKS, TITLE, VALIDATOR, Keys, Options, Play, Served
from demo.reports import COHORT_TAG, COHORTS
from demo.service import Person, Service
from demo.story import Story
from demo.summary import Stages
from tests.acceptance.full_profile.running import Profile, full_profile
from tests.integration.polling import wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.timeout(600)]
SECONDS = 60.0
SEED = 7


@dataclass(frozen=True)
class Played:
    """The profile, and what was seen while the loop was played through it."""

    profile: Profile
    play: Play
    served: Served
    alerts: list[dict[str, Any]]
    seconds: float


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Everything up, and the year played until a retrained version serves."""
    started = time.monotonic()
    with full_profile() as profile:
        profile.up()
        play = _play(profile, tmp_path_factory.mktemp("fl-server"))
        served = play.begin()
        alerts: list[dict[str, Any]] = []
        for week in WEEKS[len(REFERENCE_WEEKS) :]:
            play.week(week, served)
            if play.known_incidents and not alerts:
                wait_for("an alert", lambda: bool(_alerts(profile)), SECONDS)
                alerts = _alerts(profile)
            if served.first_promotion:
                break
        yield Played(profile, play, served, alerts, time.monotonic() - started)
        play.close()


def _play(profile: Profile, folder: Path) -> Play:
    """The federation founded on the server's own command line, as the guide says."""
    cohorts = f"{COHORT_TAG}={','.join(COHORTS)}"
    told = ["--title", TITLE, "--cohorts", cohorts]
    profile.execute("api", "vigie", "federations", "create", FEDERATION, *told)

    admin = profile.execute("api", "vigie", "federations", "key", FEDERATION, "--role", "admin")
    service = Service(profile.url("api", 8000), folder)
    person = Person(service, "admin", admin)

    def key(holder: str, role: str) -> str:
        made = person.post(f"/{FEDERATION}/keys", {"holder": holder, "role": role})
        return str(made["key"])

    keys = Keys(key(OWNER, "owner"), key(VALIDATOR, "validator"), key("FedAvg server", "ingest"))
    person.close()
    options = Options(None, yes=True, keep=False, json_file=None, seed=SEED)
    quiet = Story(Console(quiet=True))
    return Play(options, quiet, Stages(), load(), service, keys)


def test_every_service_of_the_file_was_up(played: Played) -> None:
    assert played.profile.ready == set(played.profile.services)


def test_drift_became_an_alert_in_alertmanager(played: Played) -> None:
    incidents = played.play.owner.get(f"/{FEDERATION}/incidents")
    assert incidents
    (alert, *_) = played.alerts
    assert alert["labels"]["federation"] == FEDERATION
    assert alert["labels"]["model"] == MODEL
    assert alert["generatorURL"].startswith(played.profile.url("api", 8000))


def test_a_retrained_version_was_approved_and_is_champion_here_and_in_mlflow(
    played: Played,
) -> None:
    assert played.served.first_promotion is not None
    promoted, _ = played.served.first_promotion
    versions = played.play.owner.get(f"/{FEDERATION}/models/{MODEL}/versions")
    number = {one["version"]: one["mlflow_version"] for one in versions}[promoted]
    assert promoted == played.served.champion != "1"
    wait_for("the alias", lambda: _champion(played.profile) == number, SECONDS)
    requests = played.play.owner.get(f"/{FEDERATION}/retrain-requests")
    assert promoted in {request["result_version"] for request in requests}


def test_prometheus_scrapes_the_service_and_its_rules_load(played: Played) -> None:
    profile = played.profile
    wait_for("a scrape", lambda: _value(profile, 'up{job="vigie"}') == 1, SECONDS)
    wait_for("rounds", lambda: (_value(profile, "vigie_rounds_total") or 0) > 0, SECONDS)
    groups = _ask(profile, "rules")["groups"]
    assert groups
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    (manager,) = _ask(profile, "alertmanagers")["activeAlertmanagers"]
    assert manager["url"].startswith(profile.url("alertmanager", 9093))


def test_grafanas_role_reads_the_views_and_no_table(played: Played) -> None:
    profile = played.profile
    with psycopg.connect(
        host=profile.services["postgres"].address,
        dbname="vigie",
        user="vigie_grafana",
        password=profile.secret("grafana_reader_password"),
    ) as connection:
        assert connection.execute("SELECT count(*) FROM grafana_rounds").fetchone() != (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM rounds")


def test_the_audit_log_verifies_from_inside_a_container(played: Played) -> None:
    played.profile.execute("api", "vigie", "audit", "verify")


def test_all_end_when_told_and_none_wrote_to_its_read_only_file_system(played: Played) -> None:
    codes = played.profile.down()
    assert {name for name, code in codes.items() if code not in {0, -15, 143}} == set()
    strays = {name: one.strays() for name, one in played.profile.services.items()}
    assert {name: found for name, found in strays.items() if found} == {}


def _alerts(profile: Profile) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _json(f"{profile.url('alertmanager', 9093)}/api/v2/alerts")
    return [alert for alert in found if "federation" in alert["labels"]]


def _champion(profile: Profile) -> str:
    path = "/api/2.0/mlflow/registered-models/alias"
    query = {"name": f"{FEDERATION}.{MODEL}", "alias": "champion"}
    answer = httpx.get(profile.url("mlflow", 5000) + path, params=query, timeout=30)
    return str(answer.json().get("model_version", {}).get("version"))


def _value(profile: Profile, query: str) -> float | None:
    found = _ask(profile, "query", query=query)["result"]
    return float(found[0]["value"][1]) if found else None


def _ask(profile: Profile, what: str, **query: str) -> Any:
    return _json(f"{profile.url('prometheus', 9090)}/api/v1/{what}", query)["data"]


def _json(url: str, query: dict[str, str] | None = None) -> Any:
    return httpx.get(url, params=query, timeout=30).raise_for_status().json()
