"""What the dashboard Operations shows of a real service that a real Prometheus scrapes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from app.core import migrations, outbox
from app.core.database import Database
from app.core.settings import Settings
from dashboards import expanding
from dashboards.expanding import View
from tests.flights import flights
from tests.integration.scraping import scraping
from tests.unit.dashboards.played import RESEND_SECONDS
from tests.working import EFFECTS_HERE

SCRAPE = timedelta(seconds=5)  # as far as windows of rates go; it is scraped every second
POINTS = 60


@contextmanager
def asking(folder: Path) -> Iterator[Callable[[Mapping[str, Any]], Sequence[dict[str, Any]]]]:
    """Play the flights under Prometheus' eyes; what a panel's queries find then."""
    settings = Settings(data_dir=folder, secret="s" * 32, log_level="ERROR")
    database = Database(settings.database)
    migrations.upgrade(database)
    database.dispose()
    with flights(settings) as service, scraping(service.url, folder) as prometheus:
        begin = datetime.now(UTC)
        service.play(work)
        view = View(begin, datetime.now(UTC), POINTS, scrape=SCRAPE)
        yield lambda panel: [*_rows(prometheus, panel, view)]


def work(database: Database) -> None:
    """What a worker does until nothing is due."""
    while True:
        with database.session_scope() as session:
            due = outbox.claim_due(session, RESEND_SECONDS)
        if not due:
            return
        for delivery in due:
            EFFECTS_HERE[delivery.task].run(database, delivery.row_id)


def _rows(prometheus: str, panel: Mapping[str, Any], view: View) -> Iterator[dict[str, Any]]:
    for target in panel.get("targets", ()):
        asked = {
            "query": expanding.promql(target["expr"], view),
            "start": view.begin.timestamp(),
            "end": view.end.timestamp(),
            "step": view.interval.total_seconds(),
        }
        answer = httpx.get(f"{prometheus}/api/v1/query_range", params=asked).json()
        points = [point for one in answer["data"]["result"] for point in one["values"]]
        told = [(moment, float(value)) for moment, value in points if value != "NaN"]
        if panel["type"] == "stat":
            yield {"value": told[-1][1] if told else None}
            continue
        for moment, value in told:
            time = datetime.fromtimestamp(moment, UTC)
            yield {"time": time, "metric": target["legendFormat"], "value": value}
