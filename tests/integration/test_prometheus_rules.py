"""Rules and configurations of Prometheus and Alertmanager, checked by their own tools."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.servers import program_or_skip

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
PROMETHEUS = DASHBOARDS / "prometheus"
ALERTMANAGER = DASHBOARDS / "alertmanager/alertmanager.yml"
TESTS = sorted(PROMETHEUS.glob("rules_*test.yml"))
KNOWN_METRICS = {
    "vigie_database_up",
    "vigie_evaluation_lag_seconds",
    "vigie_evaluation_seconds_total",
    "vigie_evaluations_total",
    "vigie_http_requests_total",
    "vigie_notices",
    "vigie_outbox_oldest_pending_seconds",
    "vigie_outbox_rows",
}


def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    _run("promtool", "prometheus", "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_every_rule_fires_when_it_should_and_only_then() -> None:
    _run("promtool", "prometheus", "test", "rules", *map(str, TESTS))


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    fired = {
        case["alertname"]
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    assert fired == set(_alerts())


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for alert in _alerts().values():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["description"].endswith(".")


def test_rules_read_metrics_that_the_service_has() -> None:
    text = " ".join(alert["expr"] for alert in _rules())
    assert set(re.findall(r"\bvigie_\w+", text)) == KNOWN_METRICS


def test_amtool_accepts_alertmanagers_configuration(tmp_path: Path) -> None:
    text = ALERTMANAGER.read_text()
    assert "url_file: /run/secrets/alert_webhook_url" in text
    # Debian 12's amtool (0.25) is older than `url_file`, which came with 0.26.
    local = tmp_path / "alertmanager.yml"
    local.write_text(re.sub(r"url_file: \S+", "url: http://127.0.0.1:9/", text))
    _run("amtool", "prometheus-alertmanager", "check-config", str(local))


def test_an_api_that_is_down_mutes_every_alert_that_is_read_through_it() -> None:
    rules = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]
    for rule in rules:
        (target,) = rule["target_matchers"]
        pattern = target.split('"')[1]
        matched = {name for name in _alerts() if re.fullmatch(pattern, name)}
        assert matched == set(_alerts()) - {"VigieDown"}


def _run(name: str, package: str, *arguments: str) -> None:
    done = subprocess.run(
        [program_or_skip(name, package), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in _rules() if "alert" in rule}
