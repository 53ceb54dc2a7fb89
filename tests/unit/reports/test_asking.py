"""Reports over HTTP: one for each state of the evidence, built once, for who may see it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlmodel import Session, col, select

from app.audit.tables import AuditEntry
from app.core import clock
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.drift.tables import Evaluation, Reference
from app.federations import service as federations
from app.federations.roles import Role
from app.incidents.tables import Incident
from app.reports import artifacts, building, repository, retention, scheduling, service
from app.reports.building import Built
from app.reports.content import Content, Drawn
from app.reports.errors import RoundNotJudgedError
from app.reports.of_round import NO_REFERENCE, asked
from app.reports.scheduling import closed_days, closed_steps
from app.reports.tables import Report
from app.rounds.tables import Round
from tests.unit.console.world import FEDERATION, HOME, MODEL, World

SUBJECTS = ("round", "incident", "version", "promotion")
PAGE = "<html>a page</html>"
As = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def drawing(monkeypatch: pytest.MonkeyPatch) -> list[Content]:
    """Nothing is drawn: what would be drawn is kept."""
    kept: list[Content] = []

    def draw(content: Content) -> Drawn:
        kept.append(content)
        return Drawn(PAGE, {"title": content.heading.title})

    monkeypatch.setattr(building, "draw", draw)
    return kept


@pytest.fixture
def as_(world: World) -> As:
    return lambda role=Role.VIEWER, **more: {"Authorization": f"Bearer {world.keys[role]}", **more}


def _address(world: World, subject: str) -> str:
    paths = {
        "round": f"rounds/{world.round_id}",
        "incident": f"incidents/{world.incident_id}",
        "version": f"models/{MODEL}/versions/2",
        "promotion": f"promotions/{world.promotion_id}",
    }
    return f"{HOME}/{paths[subject]}/report"


def _reports(database: Database) -> list[Report]:
    with database.read_scope() as session:
        return list(session.exec(select(Report).order_by(col(Report.asked_at))))


def _asked(database: Database, task: str = service.BUILD) -> int:
    with database.read_scope() as session:
        return len(session.exec(select(OutboxRow).where(OutboxRow.task == task)).all())


def _work_off(database: Database, settings: Settings, built: Built | None = None) -> None:
    """What a worker does with every report that waits, or with `built` in place of files."""
    for report in _reports(database):
        with database.read_scope() as session:
            work = building.prepare(session, report.id)
        if work is not None:
            done = built or building.perform(work, settings.reports_dir)
            with database.session_scope() as session:
                building.record(session, report.id, done)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_asking_says_where_to_look_and_is_audited(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As, subject: str
) -> None:
    answers = [api.post(_address(world, subject), headers=as_()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    told = answers[0].json()
    where = answers[0].headers["location"]
    assert (told["state"], told["html"], told["json"]) == (
        "building",
        f"{where}.html",
        f"{where}.json",
    )
    assert int(answers[0].headers["retry-after"]) > 0
    assert answers[1].json()["id"] == told["id"]
    assert _asked(database) == 1
    with database.read_scope() as session:
        asks = select(AuditEntry).where(col(AuditEntry.action) == "report.ask")
        assert [entry.actor for entry in session.exec(asks)] == ["Vic"]
    assert api.get(where, headers=as_()).status_code == 202
    _work_off(database, settings)
    assert api.get(f"{where}.html", headers=as_()).text == PAGE
    assert "late-arrival" in api.get(f"{where}.json", headers=as_()).json()["title"]
    again = api.post(_address(world, subject), headers=as_()).json()
    assert (again["id"], again["state"]) == (told["id"], "ready")
    assert _asked(database) == 1


def _served(answer: Response) -> str:
    assert answer.status_code == 200
    return answer.headers["content-type"].partition(";")[0]


def test_a_report_comes_as_it_is_accepted_and_in_a_sandbox(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    where = api.post(_address(world, "round"), headers=as_()).headers["location"]
    _work_off(database, settings)
    for address in (where, _address(world, "round")):
        page = api.get(address, headers=as_(Accept="text/html,application/json;q=0.9"))
        assert _served(page) == "text/html"
        assert _served(api.get(address, headers=as_())) == "text/html"
        as_json = api.get(address, headers=as_(Accept="application/json"))
        assert _served(as_json) == "application/json"
        assert set(as_json.json()) == {"title", "evidence_sha256"}
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


def test_a_changed_incident_has_another_report(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    address = _address(world, "incident")
    first = api.post(address, headers=as_()).json()["id"]
    _work_off(database, settings)
    acknowledged = f"{HOME}/incidents/{world.incident_id}/acknowledge"
    assert api.post(acknowledged, headers=as_(Role.ON_CALL)).status_code == 200
    second = api.post(address, headers=as_()).json()["id"]
    assert second != first
    assert api.get(f"{HOME}/reports/{first}", headers=as_()).status_code == 200  # still there
    with database.session_scope() as session:
        newest = select(Evaluation).order_by(col(Evaluation.global_step).desc())
        session.exec(newest).first().inputs_sha256 = "another"  # type: ignore[union-attr]
    assert api.post(address, headers=as_()).json()["id"] not in {first, second}


def test_evidence_that_came_while_it_was_built_is_not_built_again(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    first = api.post(_address(world, "round"), headers=as_()).json()
    with database.session_scope() as session:
        session.get_one(Round, world.round_id).body_sha256 = "f" * 64
    _work_off(database, settings)
    again = api.post(_address(world, "round"), headers=as_()).json()
    assert (again["id"], again["state"]) == (first["id"], "ready")
    assert again["evidence_sha256"] != first["evidence_sha256"]


def test_what_is_about_one_client_is_for_who_may_read_clients(
    api: TestClient,
    world: World,
    database: Database,
    settings: Settings,
    as_: As,
    drawing: list[Content],
) -> None:
    with database.session_scope() as session:
        session.get_one(Incident, world.incident_id).scope = "client"
    assert api.post(_address(world, "incident"), headers=as_()).status_code == 404
    asked = api.post(_address(world, "incident"), headers=as_(Role.ANALYST)).json()
    _work_off(database, settings)
    assert "c_" not in repr(drawing)
    assert api.get(asked["html"], headers=as_(Role.ANALYST)).status_code == 200
    for address in (asked["html"], asked["json"], f"{HOME}/reports/{asked['id']}"):
        assert api.get(address, headers=as_()).status_code == 404
    assert api.get(f"{HOME}/reports", headers=as_()).json() == []
    assert len(api.get(f"{HOME}/reports", headers=as_(Role.ANALYST)).json()) == 1
    assert _asked(database, artifacts.LOG) == 0  # MLflow's readers are not Vigie's to choose


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_unknown_and_other_tenants_look_alike(
    api: TestClient, world: World, as_: As, subject: str
) -> None:
    theirs = {"Authorization": f"Bearer {world.stranger}"}
    address = _address(world, subject)
    in_theirs = address.replace(f"/{FEDERATION}/", "/trains/")
    for place, headers in ((address, theirs), (in_theirs, theirs)):
        assert api.post(place, headers=headers).status_code == 404
    report = api.post(address, headers=as_()).json()["id"]
    for place in (f"{HOME}/reports/{report}", f"/v1/federations/trains/reports/{report}"):
        assert api.get(place, headers=theirs).status_code == 404
    assert api.get(f"{HOME}/reports/{uuid4()}.json", headers=as_()).status_code == 404


def test_reports_are_listed_newest_first_by_kind_and_model(
    api: TestClient, world: World, as_: As
) -> None:
    ids = [api.post(_address(world, one), headers=as_()).json()["id"] for one in SUBJECTS]

    def listed(**parameters: str) -> list[str]:
        found = api.get(f"{HOME}/reports", params=parameters, headers=as_())
        return [one["id"] for one in found.json()]

    assert listed() == ids[::-1]
    assert listed(kind="incident") == [ids[1]]
    assert listed(model=MODEL, limit="2") == ids[:1:-1]
    assert listed(model="another") == []


def test_a_champion_that_never_was_a_candidate_has_nothing_to_report(
    api: TestClient, as_: As
) -> None:
    answer = api.post(f"{HOME}/models/{MODEL}/versions/1/report", headers=as_())
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:vigie:problem:nothing_to_report"


def test_a_failed_build_says_why_and_is_tried_again_later(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    address, now = _address(world, "round"), clock.now()
    with clock.using(lambda: now):
        api.get(address, headers=as_())
        _work_off(database, settings, Built(error="The ink ran out."))
        answer = api.get(address, headers=as_())
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "The ink ran out." in answer.json()["detail"]
    with clock.using(lambda: now + timedelta(minutes=10)):
        assert api.get(address, headers=as_()).status_code == 202
    assert _asked(database) == 2


def test_a_lost_file_is_built_again(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    address = _address(world, "round")
    api.get(address, headers=as_())
    _work_off(database, settings, Built(path="gone.html"))
    assert api.get(address, headers=as_()).status_code == 202
    assert [report.state for report in _reports(database)] == ["building"]
    assert _asked(database) == 2


def test_files_go_after_the_policys_days_and_their_report_stays(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    address, now = _address(world, "round"), clock.now()
    assert api.get(address, headers=as_()).status_code == 202
    _work_off(database, settings)
    (report,) = _reports(database)
    other = settings.reports_dir / "of-another.html"
    unfinished = settings.reports_dir / "x.part"
    for file in (other, unfinished):
        file.write_text(PAGE)
    assert _forget(database, settings, now + timedelta(days=89)) == 0
    assert api.get(address, headers=as_()).text == PAGE
    assert _forget(database, settings, now + timedelta(days=91)) == 1
    assert list(settings.reports_dir.iterdir()) == [other]
    assert _forget(database, settings, now + timedelta(days=91)) == 0
    listed = api.get(f"{HOME}/reports", headers=as_()).json()
    assert [one["id"] for one in listed] == [str(report.id)]
    assert api.get(f"{HOME}/reports/{report.id}.html", headers=as_()).status_code == 202
    _work_off(database, settings)
    assert api.get(f"{HOME}/reports/{report.id}.html", headers=as_()).text == PAGE
    with database.read_scope() as session:
        told = select(AuditEntry.after).where(AuditEntry.action == "report.forget")
        assert [after["reports"] for after in session.exec(told) if after] == [1]


def test_a_policy_may_keep_files_for_ever(
    api: TestClient, world: World, database: Database, settings: Settings, as_: As
) -> None:
    _policy(database, keep_days=None)
    api.get(_address(world, "round"), headers=as_())
    _work_off(database, settings)
    assert _forget(database, settings, clock.now() + timedelta(days=9_000)) == 0


def _forget(database: Database, settings: Settings, at: datetime) -> int:
    with clock.using(lambda: at), database.session_scope() as session:
        forgotten = retention.forget_files(session, settings.reports_dir)
        retention.drop_unfinished(settings.reports_dir)
    return forgotten


def test_of_two_who_ask_at_once_both_get_the_one_report(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _ask(database, world.round_id, "Ada")
    look_up, looks = repository.report_on, []

    def look(session: Session, report: Report) -> Report | None:
        looks.append(report)  # the first look comes before the other's commit
        return look_up(session, report) if len(looks) > 1 else None

    monkeypatch.setattr(repository, "report_on", look)
    assert _ask(database, world.round_id, "Grace") == first
    assert _asked(database) == 1


def _ask(database: Database, round_id: UUID, actor: str) -> UUID:
    with database.session_scope() as session:
        ours = federations.named(session, FEDERATION)
        return service.ask(session, asked(session, ours, round_id), actor).id


def test_a_round_without_a_reference_says_so(
    world: World, database: Database, settings: Settings
) -> None:
    with database.session_scope() as session:
        first = session.exec(select(Round).where(Round.global_step == 1)).one()
        session.exec(select(Reference)).one().last_step = 99
        for evaluation in session.exec(select(Evaluation)):
            evaluation.superseded_at = clock.now()
        round_id = first.id
    _ask(database, round_id, "Ada")
    _work_off(database, settings)
    (report,) = _reports(database)
    assert (report.state, report.error) == ("failed", NO_REFERENCE)


def test_a_round_that_was_not_judged_yet_has_to_wait(world: World, database: Database) -> None:
    with database.session_scope() as session:
        session.get_one(Round, world.round_id).evaluated_at = None
    report = _ask(database, world.round_id, "Ada")
    with database.read_scope() as session, pytest.raises(RoundNotJudgedError):
        building.prepare(session, report)


def test_recording_twice_changes_nothing(
    world: World, database: Database, settings: Settings
) -> None:
    report = _ask(database, world.round_id, "Ada")
    _work_off(database, settings, Built(path="a.html"))
    with database.session_scope() as session:
        building.record(session, report, Built(error="late"))
        assert building.prepare(session, report) is None
    assert _reports(database)[0].path == "a.html"


def test_a_folder_that_cannot_be_written_to_is_not_a_failed_report(
    world: World, database: Database, tmp_path: Path
) -> None:
    report = _ask(database, world.round_id, "Ada")
    with database.read_scope() as session:
        work = building.prepare(session, report)
    assert work is not None
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    with pytest.raises(OSError, match="a-file"):
        building.perform(work, blocked / "reports")


# By calendar


def _policy(database: Database, **reports: int | None) -> None:
    with database.session_scope() as session:
        ours = federations.named(session, FEDERATION)
        policy = federations.policy_of(ours).model_dump(mode="json") | {"reports": reports}
        federations.set_policy(session, ours, type(federations.policy_of(ours))(**policy), "Ada")


def _look(database: Database, at: datetime | None = None) -> list[str]:
    """The periods that reports are made of when the calendar is looked at."""
    before = {report.id for report in _reports(database)}
    with clock.using(lambda: at or clock.system_clock()), database.session_scope() as session:
        scheduling.ask_for_closed(session)
    return sorted(report.period for report in _reports(database) if report.id not in before)


def test_without_a_calendar_nothing_is_made(database: Database) -> None:
    assert _look(database) == []


def test_every_closed_period_of_rounds_has_one_report(
    api: TestClient, world: World, database: Database, as_: As
) -> None:
    _policy(database, every_rounds=5)
    assert _look(database) == ["steps 1 to 5", "steps 11 to 15", "steps 6 to 10"]
    assert _look(database) == []
    listed = api.get(f"{HOME}/reports", params={"kind": "period"}, headers=as_()).json()
    assert {one["period"] for one in listed} == {"steps 1 to 5", "steps 6 to 10", "steps 11 to 15"}
    assert {one["version"] for one in listed} == {"1"}


def test_a_period_of_days_closes_at_midnight_once_all_was_judged(
    world: World, database: Database
) -> None:
    _policy(database, every_days=1)
    today = f"{clock.now():%Y-%m-%d}"
    assert _look(database) == []
    tomorrow = clock.now() + timedelta(days=1)
    with database.session_scope() as session:
        session.get_one(Round, world.round_id).evaluated_at = None
    assert _look(database, tomorrow) == []
    with database.session_scope() as session:
        session.get_one(Round, world.round_id).evaluated_at = clock.now()
    assert _look(database, tomorrow) == [today]
    assert _look(database, tomorrow) == []


def test_a_late_calendar_asks_for_no_flood() -> None:
    periods = [period.steps for period in closed_steps(newest=1001, length=10)]
    assert len(periods) == scheduling.MOST_PERIODS
    assert periods[0] == (991, 1000)
    assert list(closed_steps(newest=10, length=10)) == []
    assert list(closed_steps(newest=0, length=10)) == []


def test_periods_of_days_lie_at_fixed_midnights() -> None:
    now = datetime.fromisoformat("2026-11-21T20:00+00:00")
    weeks = list(closed_days(now, 7))
    assert all(end - first == timedelta(days=7) for first, end in weeks)
    assert weeks[0][1] <= now < weeks[0][1] + timedelta(days=7)
    assert weeks == list(closed_days(now + timedelta(hours=3), 7))
    assert list(closed_days(now, 0)) == []
