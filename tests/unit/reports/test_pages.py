"""The page and the JSON: made without a network, honest about what they are made from."""

import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from app.core.database import Database
from app.federations import service as federations
from app.registry import service as registry
from app.reports import building, of_candidate, of_incident, of_period, of_round, service
from app.reports.content import Canary, Content, Drawn, Drift, Heading, Sides, Trail, VerdictLine
from app.reports.drawing import MOST_SUBJECTS, draw
from app.reports.summaries import Bins, Distribution, Summary
from tests.unit.console.world import FEDERATION, MODEL, World, settings_in

HOURS = Bins(("0 to 6", "6 to 12", "12 to 24"), (0.0, 6.0, 12.0, 24.0), "h")
ORIGINS, SCORES = Bins(("EWR", "JFK", "other")), Bins(("0 to 0.5", "0.5 to 1"), (0, 0.5, 1.0))
LABELS = Bins(("on time", "late"))
VERDICT = VerdictLine(
    23, "feature:hour", "federation", "ks", "drift", 0.31, 0.1, "share", 0.31, 1.25e-7, 3.5e-6, 0.02
)
TRAIL = Trail(
    "feature:hour", "all clients", "share", "ks", 0.1, (22, 23, 24), (0.05, None, 0.31),
    ("stable", "insufficient_evidence", "drift"), (0.8, None, 3.5e-6),
)  # fmt: skip
HEADING = Heading("round", "flights </script><b>&", "Of one round.", {"step": 23})

# Evidently and what it imports use deprecated things of their own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")


def _summary(name: str, hours: tuple[float, ...], origins: tuple[float, ...]) -> Summary:
    pools = {
        "feature:hour": Distribution(HOURS, hours),
        "feature:origin": Distribution(ORIGINS, origins),
    }
    return Summary(name, 6000, 4, 1, 0.5, 0.2, pools)


REFERENCE = _summary("reference 1", (3000, 2000, 1000), (3000, 3000, 0))
CURRENT = _summary("round 23", (1000, 2000, 3000), (1500, 4500, 0))
OF_ROUND = Drift(HEADING, (Sides("all clients", REFERENCE, CURRENT),), (TRAIL,), (VERDICT,))


def _offline(content: Content) -> Drawn:
    """A report that was drawn with no network at all."""

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("the report reached for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        return draw(content)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return _offline(OF_ROUND)


@pytest.fixture(scope="module")
def page(drawn: Drawn) -> str:
    return drawn.html


def _data(html: str) -> str:
    """What Evidently's script is given to draw."""
    return html[html.index("<script>") : html.index("</script>")]


def _metrics(document: dict[str, Any]) -> dict[str, Any]:
    """The value of each metric by its name without parameters, or by its column."""
    return {
        one["config"].get("column") or one["metric_name"].partition("(")[0]: one["value"]
        for one in document["evidently"]["metrics"]
    }


def test_the_page_loads_nothing(page: str) -> None:
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)\s*=""", page) == []
    # Only what a browser takes for CSS counts: the script holds such texts as strings.
    styles = "".join(re.findall(r"<style>.*?</style>", page[: page.index("<script>")], re.DOTALL))
    assert set(re.findall(r"url\(([a-z]+):", styles)) == {"data"}
    assert "@import" not in styles
    head = page[: page.index("<script>")]
    assert """http-equiv="Content-Security-Policy" content="default-src 'none';""" in head


def test_a_text_cannot_break_out_of_the_page(page: str) -> None:
    assert "<title>flights &lt;/script&gt;&lt;b&gt;&amp;</title>" in page
    assert r"flights \u003c/script>\u003cb>&" in _data(page)
    assert "<b>" not in _data(page)


def test_the_page_says_what_it_is_made_from(drawn: Drawn) -> None:
    for told in ("Reconstructed from binned counts", "at most\\n5,000 rebuilt rows", "no seed"):
        assert told in _data(drawn.html)
    assert "Verdicts are Vigie's" in _data(drawn.html)
    assert "in bins up to 12 wide" in _data(drawn.html)
    assert "Nothing is drawn at random" in drawn.document["made_from"]
    assert drawn.document["seed"] is None
    (sample,) = drawn.document["samples"]
    assert (sample["reference_rows"], sample["current_rows"]) == (5000, 5000)


def test_the_page_holds_the_verdicts_and_no_second_opinion(page: str) -> None:
    for shown in ("feature:hour", "0.31 share (0.1)", "1.25e-07", "3.5e-06"):
        assert shown in _data(page)
    assert "Data drift detected" not in _data(page)
    assert "p_value" not in _data(page)


def test_evidently_measures_the_counts_distance(drawn: Drawn) -> None:
    mid_points = np.array(HOURS.mid_points)
    before, now = (side.distributions["feature:hour"].shares for side in (REFERENCE, CURRENT))
    mean = np.average(mid_points, weights=before)
    sd = np.sqrt(np.average((mid_points - mean) ** 2, weights=before))
    distance = stats.wasserstein_distance(mid_points, mid_points, now, before) / sd
    shown = re.search(r"feature:hour: Wasserstein distance ([\d.]+) sd", _data(drawn.html))
    assert shown is not None
    assert float(shown[1]) == pytest.approx(distance, rel=0.01)
    assert _metrics(drawn.document)["feature:hour"] == pytest.approx(distance, rel=0.01)


def test_effects_over_rounds_are_vigies_and_stand_in_an_evidently_metric(drawn: Drawn) -> None:
    assert _metrics(drawn.document)["EffectOverRounds"] == 0.31
    (trail,) = drawn.document["trails"]
    assert trail["effects"] == [0.05, None, 0.31]
    assert "feature:hour, all clients: effect over rounds, share (ks)" in _data(drawn.html)


def test_telemetry_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    draw(OF_ROUND)
    from evidently.telemetry import event_logger

    assert not event_logger.is_enabled()


def test_sides_without_a_shared_subject_make_a_page_of_verdicts() -> None:
    bare = replace(REFERENCE, distributions={}, log_loss=None)
    found = draw(replace(OF_ROUND, sides=(Sides("all clients", bare, CURRENT),), trails=()))
    assert "same bins: 0; drawn, the most moved first: 0" in _data(found.html)
    assert "feature:hour" in _data(found.html)
    assert found.document["evidently"]["metrics"] == []


def test_at_most_the_subjects_that_moved_most_are_drawn() -> None:
    many = {
        f"feature:f{index}": Distribution(ORIGINS, (100, index, 0))
        for index in range(MOST_SUBJECTS + 5)
    }
    still = {name: Distribution(ORIGINS, (100, 0, 0)) for name in many}
    now, then = replace(CURRENT, distributions=many), replace(REFERENCE, distributions=still)
    sides = (Sides("all clients", then, now), Sides("hub=EWR", then, now))
    found = draw(Drift(HEADING, sides))
    assert len(found.document["evidently"]["metrics"]) == MOST_SUBJECTS
    drawn = found.document["samples"][0]["subjects"]
    assert "feature:f4" not in drawn
    assert "feature:f5" in drawn
    assert found.document["samples"][1]["subjects"] == []


def test_numbers_that_json_does_not_know_are_null() -> None:
    endless = replace(VERDICT, statistic=float("inf"))
    document = draw(replace(OF_ROUND, verdicts=(endless,), trails=())).document
    assert json.loads(json.dumps(document, allow_nan=False))["verdicts"][0]["statistic"] is None


# A candidate


def _version(name: str, scores: tuple[float, ...], confusion: Any) -> Summary:
    pools = {"score": Distribution(SCORES, scores), "label": Distribution(LABELS, (600, 400))}
    return Summary(name, 1000, 6, 3, 0.5, 0.2, pools, confusion)


CHAMPION = _version("champion 1", (700, 300), ((500.0, 100.0), (200.0, 200.0)))
CANDIDATE = _version("candidate 2", (600, 400), ((540.0, 60.0), (100.0, 300.0)))
DIFFERENCE = {"log_loss": -0.1, "lower": -0.12, "upper": -0.08, "confidence": 0.95, "margin": 0.005}
PART = {
    "clients": 6,
    "champion_measured": {"error_rate": 0.3},
    "candidate_measured": {"error_rate": 0.16},
    "difference": DIFFERENCE,
}
LOOK = {"rounds": 2, "log_loss": -0.1, "lower": -0.2, "upper": 0.1, "e_superior": 9.0}
GAP = {"name": "calibration", "unit": "probability", "value": -0.1, "lower": -0.12, "upper": None}
COMPARISON = {
    **PART,
    "confusion": {"champion": CHAMPION.confusion, "candidate": CANDIDATE.confusion},
    "cohorts": [{**PART, "cohort": "hub=EWR"}, {**PART, "cohort": "hub=JFK", "difference": None}],
    "history": [{**LOOK, "e_non_inferior": 30.0}],
    "guardrails": [{**GAP, "limit": 0.02, "state": "within", "cohorts": []}],
}


@pytest.fixture(scope="module")
def beside() -> Drawn:
    sides = (Sides("all clients", CHAMPION, CANDIDATE),)
    heading = replace(HEADING, kind="candidate")
    return _offline(Canary(heading, COMPARISON, LABELS.names, sides))


def test_a_candidates_errors_are_evidentlys_on_exactly_rebuilt_rows(beside: Drawn) -> None:
    found = _metrics(beside.document)
    assert found["Accuracy"] == pytest.approx(0.84)
    assert found["RecallByLabel"] == pytest.approx({"on time": 0.9, "late": 0.75})
    assert found["PrecisionByLabel"]["late"] == pytest.approx(300 / 360)


def test_a_candidates_differences_and_calibration_are_vigies(beside: Drawn) -> None:
    found = _metrics(beside.document)
    assert found["PairedDifference"] == -0.1
    assert found["SequentialTest"] == 9.0
    assert found["Calibration"] == -0.1
    for shown in ("hub=EWR", "0.45", "0.4", "83.3% to 90.0%", "50.0% to 75.0%"):
        assert shown in _data(beside.html)
    (paired,) = (
        one["config"] for one in beside.document["evidently"]["metrics"]
        if one["metric_name"].startswith("PairedDifference")
    )  # fmt: skip
    assert paired["cohorts"] == ["all clients", "hub=EWR"]  # of the third nothing is told


def test_a_candidate_without_evidence_has_a_page_all_the_same() -> None:
    bare = {"difference": None, "cohorts": [], "guardrails": [], "confusion": None}
    empty = replace(CANDIDATE, confusion=None, distributions={})
    found = draw(Canary(HEADING, bare, (), (Sides("all clients", empty, empty),)))
    assert found.document["evidently"]["metrics"] == []


# Of everything in a world that was played


@pytest.fixture(scope="module")
def of_the_world(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every kind of report of it, by kind: prepared, performed and recorded as a worker does."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "vigie.db").write_bytes((world.path / "vigie.db").read_bytes())
    database = Database(settings_in(folder).database)
    with database.session_scope() as session:
        ours = federations.named(session, FEDERATION)
        version = registry.version_named(session, ours.id, MODEL, "2")
        model = registry.model_named(session, ours.id, MODEL)
        asked = [
            of_round.asked(session, ours, world.round_id),
            of_incident.asked(session, ours, world.incident_id),
            of_candidate.asked_of_version(session, ours, version.id),
            of_candidate.asked_of_promotion(session, ours, world.promotion_id),
            of_period.asked(session, ours, model.id, "steps 1 to 16", (1, 16)),
        ]
        ids = {one.kind: service.ask(session, one, "Ada").id for one in asked if one is not None}
    for report_id in ids.values():
        _work_off(database, report_id, folder / "reports")
    files = folder / "reports"
    found = {kind: json.loads((files / f"{one}.json").read_text()) for kind, one in ids.items()}
    pages = {kind: (files / f"{one}.html").read_text() for kind, one in ids.items()}
    database.dispose()
    return {"documents": found, "pages": pages}


def _work_off(database: Database, report_id: Any, folder: Path) -> None:
    with database.read_scope() as session:
        work = building.prepare(session, report_id)
    assert work is not None
    built = building.perform(work, folder)
    assert built.error is None
    with database.session_scope() as session:
        building.record(session, report_id, built)


def test_every_kind_of_report_comes_about(of_the_world: dict[str, Any]) -> None:
    assert set(of_the_world["pages"]) == {"round", "incident", "candidate", "promotion", "period"}
    for kind, document in of_the_world["documents"].items():
        assert document["title"] in of_the_world["pages"][kind]
        assert not re.search(r"\bc_[0-9a-f]{32}", json.dumps(document))  # no client is in any


def test_an_incident_is_shown_since_its_onset_by_cohort(of_the_world: dict[str, Any]) -> None:
    document = of_the_world["documents"]["incident"]
    assert document["facts"]["onset_step"] == 11
    trails = {(one["subject"], one["scope"]): one for one in document["trails"]}
    everybody = trails["error_rate", "all clients"]
    assert everybody["steps"] == [11, 12, 13, 14, 15, 16]
    assert everybody["effects"][-1] == pytest.approx(0.2, abs=0.02)
    assert everybody["threshold"] == 0.05
    assert everybody["outcomes"][-1] == "drift"
    assert ("error_rate", "hub=EWR") in trails
    assert [side["scope"] for side in document["sides"]] == ["all clients", "hub=EWR", "hub=JFK"]
    whole = document["sides"][0]
    assert whole["reference"]["error_rate"] == pytest.approx(0.2, abs=0.01)
    assert whole["current"]["error_rate"] == pytest.approx(0.4, abs=0.01)
    assert whole["current"]["distributions"]["label"]["shares"][1] == pytest.approx(0.4, abs=0.01)
    assert {one["scope"] for one in document["verdicts"]} == {"federation", "hub=EWR", "hub=JFK"}


def test_a_candidate_is_shown_by_the_registrys_evidence(of_the_world: dict[str, Any]) -> None:
    now, frozen = (of_the_world["documents"][kind] for kind in ("candidate", "promotion"))
    assert now["comparison"]["difference"]["log_loss"] == pytest.approx(-0.1, abs=0.01)
    assert [part["cohort"] for part in now["comparison"]["cohorts"]] == ["hub=EWR", "hub=JFK"]
    assert "as of now" in now["about"]
    assert "frozen when it was submitted" in frozen["about"]
    assert frozen["comparison"] == now["comparison"]


def test_a_period_shows_what_was_out_of_stable_in_it(of_the_world: dict[str, Any]) -> None:
    document = of_the_world["documents"]["period"]
    assert document["facts"]["period"] == "steps 1 to 16"
    assert len(document["facts"]["incidents"]) >= 1
    assert document["trails"][0]["outcomes"][-1] == "drift"
    assert all(set(one["outcomes"]) - {"stable"} for one in document["trails"])
