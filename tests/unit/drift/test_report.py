"""Reports: an honest reconstruction, no network, built once, shown to those who may see it."""

import re
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sqlmodel import Session, col, select

from app.audit.tables import AuditEntry
from app.core import clock, problems
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.drift import report_repository, reporting
from app.drift.report import MOST_SUBJECTS, VerdictLine, build_html
from app.drift.report_data import Bins, Distribution, Said, Summary, summarise
from app.drift.report_errors import RoundNotJudgedError
from app.drift.report_router import router
from app.drift.report_rows import MOST_ROWS, expand, frame
from app.drift.reporting import Built
from app.drift.tables import Reference, Report, Verdict
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn
from app.federations.tables import Federation
from app.rounds import bin_specs
from app.rounds.reports import ClientReport
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round
from tests.rounds import blocks

AT = datetime(2013, 6, 17, tzinfo=UTC)
HOURS = Bins(("0 to 6", "6 to 12", "12 to 24"), (0.0, 6.0, 12.0, 24.0), "h")
ORIGINS = Bins(("EWR", "JFK", "other"))
SPEC = BinSpecIn.model_validate(
    {
        "labels": ["on time", "late"],
        "score": {"edges": [0, 0.5, 1]},
        "features": {
            "hour": {"kind": "numeric", "edges": [0, 6, 12, 24], "unit": "h"},
            "origin": {"kind": "categorical", "categories": ["EWR", "JFK"]},
        },
    }
)
VERDICT = VerdictLine(
    "feature:hour", "federation", "ks", "drift", 0.31, 0.1, "share", 0.31, 1.25e-7, 3.5e-6, 0.02
)

# Evidently and what it imports use deprecated things of their own dependencies.
slow_import = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")


def _summary(name: str, hours: tuple[float, ...], origins: tuple[float, ...]) -> Summary:
    pools = {
        "feature:hour": Distribution(HOURS, hours),
        "feature:origin": Distribution(ORIGINS, origins),
    }
    return Summary(name, 6000, 4, 0.5, 0.2, pools)


REFERENCE = _summary("reference 1", (3000, 2000, 1000), (3000, 3000, 0))
CURRENT = _summary("round 23", (1000, 2000, 3000), (1500, 4500, 0))


# Rows from counts


@given(
    counts=st.lists(st.floats(-5, 1e6), min_size=1, max_size=40).filter(lambda c: max(c) > 1e-3),
    rows=st.integers(1, MOST_ROWS),
)
def test_rows_have_the_shares_of_the_counts(counts: list[float], rows: int) -> None:
    names = tuple(f"{index:02}" for index in range(len(counts)))
    distribution = Distribution(Bins(names), tuple(counts))
    values = expand(distribution, rows).tolist()
    assert len(values) == rows
    for name, share in zip(names, distribution.shares, strict=True):
        assert abs(values.count(name) - share * rows) < 1 + 1e-6


def test_a_small_sample_is_rebuilt_exactly() -> None:
    assert expand(Distribution(HOURS, (1, 0, 2)), 3).tolist() == [3, 18, 18]


def test_a_frame_has_as_many_rows_as_examples_up_to_the_cap() -> None:
    columns = list(CURRENT.distributions)
    assert len(frame(CURRENT, columns)) == MOST_ROWS
    assert len(frame(replace(CURRENT, n=12), columns)) == 12


# Pooling


def _record(client: int, factor: int = 1) -> ClientReport:
    record = {
        "metrics": {"loss_sum": 5.0 * factor, "correct_count": 8 * factor},
        "label_counts": [7 * factor, 3 * factor],
        "prediction_counts": [9 * factor, factor],
        "score_histogram": [6 * factor, 4 * factor],
        "features": {"hour": [factor, 2 * factor, 7 * factor], "origin": [10 * factor, 0, 0]},
        "canary": {"metrics": {"loss_sum": 4.0 * factor}, "score_histogram": [5 * factor] * 2},
    }
    return ClientReport(
        client=f"c_{client:032x}",
        status="ok",
        num_examples=10 * factor,
        cohorts={},
        record=record,
        round_id=uuid4(),
    )


def _round(federation_id: UUID, spec: str, number: int) -> Round:
    return Round(
        federation_id=federation_id,
        run="run-1",
        number=number,
        phase="evaluate",
        attempt=1,
        global_step=number,
        model="late-arrival",
        version="1",
        bin_spec=spec,
        started_at=AT,
        ended_at=AT,
        envelope={},
        body_sha256="0" * 64,
        accepted=3,
        quarantined=0,
        received_at=AT,
        evaluated_at=AT,
    )


def _pool(reports: list[ClientReport], version: str = "1", min_clients: int = 3) -> Summary:
    said = Said(_round(uuid4(), "bs_" + "0" * 16, 1), reports)
    return summarise("round 1", [said], SPEC, version, min_clients)


def test_pools_add_counts_and_weigh_rates_by_examples() -> None:
    pooled = _pool([_record(1), _record(2), _record(3, factor=2)])
    assert (pooled.n, pooled.clients) == (40, 3)
    assert pooled.log_loss == pytest.approx(0.5)
    assert pooled.error_rate == pytest.approx(0.2)
    assert pooled.distributions["label"] == Distribution(Bins(("on time", "late")), (28, 12))
    assert pooled.distributions["feature:hour"].counts == (4.0, 8.0, 28.0)
    assert pooled.distributions["feature:hour"].bins.width == 12
    assert pooled.distributions["feature:origin"].bins.names == ("EWR", "JFK", "other")


def test_what_fewer_than_k_clients_sent_is_not_shown() -> None:
    two, three = [_record(1), _record(2)], [_record(1), _record(2), _record(3)]
    del three[2].record["features"]["hour"]
    assert _pool(two).distributions == {}
    assert _pool(two).log_loss is None
    assert "feature:hour" not in _pool(three).distributions
    assert "feature:origin" in _pool(three).distributions


def test_one_client_in_many_rounds_is_one_client() -> None:
    assert _pool([_record(1), _record(1), _record(1)]).distributions == {}


def test_failed_clients_say_nothing() -> None:
    failed = replace(_record(4), status="error")
    assert _pool([_record(1), _record(2), _record(3), failed]).n == 30


def test_a_candidate_is_shown_by_its_own_block() -> None:
    pooled = _pool([_record(1), _record(2), _record(3)], version="2")
    assert pooled.log_loss == pytest.approx(0.4)
    assert pooled.error_rate is None
    assert pooled.distributions["score"].counts == (15.0, 15.0)
    assert "prediction" not in pooled.distributions


# The page


@pytest.fixture(scope="module")
def page() -> str:
    """A page built with no network at all."""

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("the report reached for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        return build_html(REFERENCE, CURRENT, "flights </script><b>&", [VERDICT])


def _data(html: str) -> str:
    """What Evidently's script is given to draw."""
    return html[html.index("<script>") : html.index("</script>")]


@slow_import
def test_the_page_loads_nothing(page: str) -> None:
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)\s*=""", page) == []
    # Only what a browser takes for CSS counts: the script holds such texts as strings.
    styles = "".join(re.findall(r"<style>.*?</style>", page[: page.index("<script>")], re.DOTALL))
    assert set(re.findall(r"url\(([a-z]+):", styles)) == {"data"}
    assert "@import" not in styles
    head = page[: page.index("<script>")]
    assert """http-equiv="Content-Security-Policy" content="default-src 'none';""" in head


@slow_import
def test_a_text_cannot_break_out_of_the_page(page: str) -> None:
    assert "<title>flights &lt;/script&gt;&lt;b&gt;&amp;</title>" in page
    assert r"flights \u003c/script>\u003cb>&" in _data(page)
    assert "<b>" not in _data(page)


@slow_import
def test_the_page_says_what_it_is_made_from(page: str) -> None:
    assert "Reconstructed from binned counts" in _data(page)
    assert "Verdicts are Vigie's" in _data(page)
    assert "in bins up to 12 wide" in _data(page)


@slow_import
def test_the_page_holds_the_verdicts_and_no_second_opinion(page: str) -> None:
    for shown in ("feature:hour", "0.31 share (0.1)", "1.25e-07", "3.5e-06"):
        assert shown in _data(page)
    assert "Data drift detected" not in _data(page)
    assert "p_value" not in _data(page)


@slow_import
def test_evidently_measures_the_counts_distance(page: str) -> None:
    mid_points = np.array(HOURS.mid_points)
    before, now = (side.distributions["feature:hour"].shares for side in (REFERENCE, CURRENT))
    sd = np.sqrt(
        np.average((mid_points - np.average(mid_points, weights=before)) ** 2, weights=before)
    )
    distance = stats.wasserstein_distance(mid_points, mid_points, now, before) / sd
    shown = re.search(r"feature:hour: Wasserstein distance ([\d.]+) sd", _data(page))
    assert shown is not None
    assert float(shown[1]) == pytest.approx(distance, rel=0.01)


@slow_import
def test_telemetry_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    build_html(REFERENCE, CURRENT, "flights")
    from evidently.telemetry import event_logger

    assert not event_logger.is_enabled()


@slow_import
def test_sides_without_a_shared_subject_make_a_page_of_verdicts() -> None:
    bare = replace(REFERENCE, distributions={}, log_loss=None)
    html = build_html(bare, CURRENT, "flights", [VERDICT])
    assert "same bins: 0; drawn, the most moved first: 0" in _data(html)
    assert "feature:hour" in _data(html)


@slow_import
def test_at_most_the_subjects_that_moved_most_are_drawn() -> None:
    many = {
        f"feature:f{index}": Distribution(ORIGINS, (100, index, 0))
        for index in range(MOST_SUBJECTS + 5)
    }
    still = {name: Distribution(ORIGINS, (100, 0, 0)) for name in many}
    data = _data(
        build_html(
            replace(REFERENCE, distributions=still), replace(CURRENT, distributions=many), "many"
        )
    )
    assert data.count("Jensen-Shannon distance") == MOST_SUBJECTS
    assert "feature:f4:" not in data
    assert "feature:f5:" in data


# From the question to the page


class Story:
    """A federation with a reference of two rounds and a third round that was judged against it."""

    def __init__(self, database: Database, federation: Federation) -> None:
        with database.session_scope() as session:
            federation = session.merge(federation)
            self.spec = bin_specs.define(session, federation, SPEC, "test").id
            rounds = [self._push(session, federation, number) for number in (1, 2, 3)]
            self.round_id = rounds[2].id
            reference = Reference(
                federation_id=federation.id,
                model="late-arrival",
                version="1",
                number=1,
                round_ids=[str(rounds[0].id), str(rounds[1].id)],
                last_step=2,
                sha256="0" * 64,
                frozen_at=AT,
                frozen_by="test",
            )
            session.add(reference)
            session.flush()
            for scope, key in (("federation", ""), ("client", "c_" + "0" * 32)):
                session.add(self._verdict(federation, reference, scope, key))

    def _push(self, session: Session, federation: Federation, number: int) -> Round:
        round_ = _round(federation.id, self.spec, number)
        session.add(round_)
        session.flush()
        reports = [replace(_record(one, factor=number), round_id=round_.id) for one in range(3)]
        session.add_all(blocks(reports, SPEC.model_dump(mode="json")))
        return round_

    def _verdict(
        self, federation: Federation, reference: Reference, scope: str, key: str
    ) -> Verdict:
        return Verdict(
            federation_id=federation.id,
            round_id=self.round_id,
            reference_id=reference.id,
            model="late-arrival",
            version="1",
            global_step=3,
            subject="log_loss",
            family="concept",
            scope=scope,
            scope_key=key,
            detector="page_hinkley",
            outcome="drift",
            effect=0.06,
            effect_unit="nats",
            error_budget=0.05,
            threshold=0.03,
            policy_version=1,
            at=AT,
        )


@pytest.fixture
def story(database: Database, federation: Federation) -> Story:
    return Story(database, federation)


@pytest.fixture
def client(settings: Settings, database: Database) -> TestClient:
    app = FastAPI()
    app.state.settings, app.state.database = settings, database
    problems.install(app)
    app.include_router(router)
    return TestClient(app)


Headers = Callable[..., dict[str, str]]


def _address(round_id: UUID, federation: str = "flights") -> str:
    return f"/v1/federations/{federation}/rounds/{round_id}/report"


def _only_report(database: Database) -> Report:
    with database.read_scope() as session:
        return session.exec(select(Report)).one()


def _work_off(database: Database, settings: Settings, built: Built | None = None) -> None:
    """What the worker does with the one report, or with `built` in place of a page."""
    report_id = _only_report(database).id
    with database.read_scope() as session:
        work = reporting.prepare(session, report_id)
    assert work is not None
    done = built or reporting.perform(work, settings.reports_dir)
    with database.session_scope() as session:
        reporting.record(session, report_id, done)


def _asked(database: Database) -> int:
    with database.read_scope() as session:
        rows = session.exec(select(OutboxRow).where(OutboxRow.task == "drift.build_report"))
        return len(rows.all())


def test_a_report_is_built_once_however_often_it_is_asked_for(
    client: TestClient, story: Story, database: Database, key_of: Headers
) -> None:
    headers = key_of(Role.VIEWER)
    answers = [client.get(_address(story.round_id), headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert answers[0].json() == {"state": "building"}
    assert int(answers[0].headers["retry-after"]) > 0
    assert _asked(database) == 1
    with database.read_scope() as session:
        asks = select(AuditEntry).where(col(AuditEntry.action) == "report.ask")
        assert [entry.actor for entry in session.exec(asks)] == ["viewer"]


def test_of_two_who_ask_at_once_both_get_the_one_report(
    story: Story, database: Database, federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.session_scope() as session:
        first = reporting.ask(session, federation, story.round_id, "Ada")
    look_up = report_repository.report_of_round
    looks = []

    def look(session: Session, federation_id: UUID, round_id: UUID) -> Report | None:
        looks.append(round_id)  # the first look comes before the other's commit
        return look_up(session, federation_id, round_id) if len(looks) > 1 else None

    monkeypatch.setattr(report_repository, "report_of_round", look)
    with database.session_scope() as session:
        assert reporting.ask(session, federation, story.round_id, "Grace").id == first.id
    assert _asked(database) == 1


@slow_import
def test_a_built_report_is_served_in_a_sandbox(
    client: TestClient, story: Story, database: Database, settings: Settings, key_of: Headers
) -> None:
    headers = key_of(Role.VIEWER)
    client.get(_address(story.round_id), headers=headers)
    _work_off(database, settings)
    answer = client.get(_address(story.round_id), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "reference 1 (2 of its 2 rounds, same bins)" in answer.text
    assert [path.name for path in settings.reports_dir.iterdir()] == [_only_report(database).path]


def test_a_client_is_not_in_the_report(
    story: Story, database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        report = reporting.ask(session, federation, story.round_id, "Ada")
    with database.read_scope() as session:
        work = reporting.prepare(session, report.id)
    assert work is not None
    assert [verdict.scope for verdict in work.verdicts] == ["federation"]
    assert "c_" not in repr(work)


def test_unknown_rounds_and_other_tenants_look_alike(
    client: TestClient, story: Story, database: Database, key_of: Headers
) -> None:
    headers = key_of(Role.VIEWER)
    with database.session_scope() as session:
        other = federations.create(session, FederationIn(name="other", title="Other"), "test")
        theirs = Round(**{**session.get_one(Round, story.round_id).model_dump(), "id": uuid4()})
        theirs.federation_id = other.id
        session.add(theirs)
        session.flush()
        foreign = theirs.id
    for address in (_address(uuid4()), _address(foreign), _address(foreign, "other")):
        answer = client.get(address, headers=headers)
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:vigie:problem:not_found"


def test_a_failed_build_says_why_and_is_tried_again_later(
    client: TestClient, story: Story, database: Database, settings: Settings, key_of: Headers
) -> None:
    headers = key_of(Role.VIEWER)
    with clock.using(lambda: AT):
        client.get(_address(story.round_id), headers=headers)
        _work_off(database, settings, Built(error="The ink ran out."))
        answer = client.get(_address(story.round_id), headers=headers)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "The ink ran out." in answer.json()["detail"]
    with clock.using(lambda: AT + timedelta(minutes=10)):
        assert client.get(_address(story.round_id), headers=headers).status_code == 202
    assert _asked(database) == 2


def test_a_round_without_a_reference_says_so(
    story: Story, database: Database, settings: Settings, federation: Federation
) -> None:
    with database.session_scope() as session:
        first = session.exec(select(Round).where(Round.number == 1)).one()
        reporting.ask(session, federation, first.id, "Ada")
    _work_off(database, settings)
    report = _only_report(database)
    assert (report.state, report.error) == ("failed", reporting.NO_REFERENCE)


def test_a_round_that_was_not_judged_yet_has_to_wait(
    story: Story, database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        session.get_one(Round, story.round_id).evaluated_at = None
        report = reporting.ask(session, federation, story.round_id, "Ada")
    with database.read_scope() as session, pytest.raises(RoundNotJudgedError):
        reporting.prepare(session, report.id)


def test_a_lost_file_is_built_again(
    client: TestClient, story: Story, database: Database, settings: Settings, key_of: Headers
) -> None:
    headers = key_of(Role.VIEWER)
    client.get(_address(story.round_id), headers=headers)
    _work_off(database, settings, Built(path="gone.html"))
    assert client.get(_address(story.round_id), headers=headers).status_code == 202
    assert _only_report(database).state == "building"
    assert _asked(database) == 2


def test_recording_twice_changes_nothing(
    story: Story, database: Database, settings: Settings, federation: Federation
) -> None:
    with database.session_scope() as session:
        report = reporting.ask(session, federation, story.round_id, "Ada")
    _work_off(database, settings, Built(path="a.html"))
    with database.session_scope() as session:
        reporting.record(session, report.id, Built(error="late"))
        assert reporting.prepare(session, report.id) is None
    assert _only_report(database).path == "a.html"


def test_a_folder_that_cannot_be_written_to_is_not_a_failed_report(
    story: Story, database: Database, federation: Federation, tmp_path: Path
) -> None:
    with database.session_scope() as session:
        report = reporting.ask(session, federation, story.round_id, "Ada")
    with database.read_scope() as session:
        work = reporting.prepare(session, report.id)
    assert work is not None
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="a-file"):
        patch.setattr(reporting, "build_html", lambda *_: "<html>")
        reporting.perform(work, blocked / "reports")
