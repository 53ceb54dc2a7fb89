"""A real Prometheus that scrapes one service every second, with our own rules."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from demo.ports import free_port
from tests.integration.polling import wait_for
from tests.servers import program_or_skip

FOLDER = Path(__file__).parents[2] / "dashboards/prometheus"
SECONDS = 60


@contextmanager
def scraping(service: str, folder: Path) -> Iterator[str]:
    """A Prometheus as we configure it, but for addresses and how often it looks; its address."""
    program = program_or_skip("prometheus", "prometheus")
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    told["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    told["scrape_configs"] = [one for one in told["scrape_configs"] if one["job_name"] == "vigie"]
    told["scrape_configs"][0]["static_configs"][0]["targets"] = [service.removeprefix("http://")]
    del told["alerting"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    (folder / "rules.yml").write_text((FOLDER / "rules.yml").read_text())
    port = free_port()
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for("a ready Prometheus", lambda: answers(f"{url}/-/ready"), SECONDS)
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Whether there is somebody at this address."""
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False
