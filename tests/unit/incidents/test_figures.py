"""Figures for Prometheus: times to acknowledge and resolve, alerts, false alarms; no client."""

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import Metric

from app.core import clock
from app.incidents import service
from app.incidents.figures import SOURCES
from app.incidents.states import Resolution
from tests.unit.incidents.stories import AT, Story, verdict


def read(story: Story) -> dict[tuple[str, ...], float]:
    def samples() -> Iterator[tuple[tuple[str, ...], float]]:
        for source in SOURCES:
            metric: Metric = source.read(story.session)
            for sample in metric.samples:
                yield (sample.name, *sample.labels.values()), sample.value

    return dict(samples())


def test_without_incidents_every_series_is_there(story: Story) -> None:
    found = read(story)
    assert set(found.values()) == {0.0}
    assert ("vigie_incidents_resolved_total", "false_alarm") in found


def test_times_and_counts_add_up(story: Story) -> None:
    story.policy(incidents={"hold_off_rounds": 0})
    for step, minutes in ((1, 10), (2, 20)):
        with clock.using(lambda: AT):
            story.push(step, verdict())
        (incident,) = [one for one in story.incidents() if one.state == "open"]
        with clock.using(lambda later=minutes: AT + timedelta(minutes=later)):
            service.acknowledge(story.session, story.federation, incident.id, "Ada")
        with clock.using(lambda: AT + timedelta(hours=1)):
            service.resolve(
                story.session, story.federation, incident.id, "Ada", Resolution.FALSE_ALARM, "no"
            )
    story.spread()
    found = read(story)
    assert found["vigie_incidents_opened_total", "warning"] == 2
    assert found["vigie_incidents_acknowledged_total",] == 2
    assert found["vigie_incident_acknowledge_seconds_total",] == 30 * 60
    assert found["vigie_incident_resolve_seconds_total",] == 2 * 3600
    assert found["vigie_incidents_resolved_total", "false_alarm"] == 2
    assert found["vigie_notices", "pending"] == 4


def test_the_names_keep_to_the_conventions() -> None:
    for source in SOURCES:
        assert source.name.startswith("vigie_")
        assert set(source.labels) <= {"severity", "resolution", "state"}
