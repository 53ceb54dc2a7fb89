"""docker-compose.yml as data, for the tests of it."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounted_files(service: dict[str, Any]) -> list[Path]:
    """What the service mounts from the checkout."""
    sources = [mount.split(":")[0] for mount in service.get("volumes", [])]
    return [ROOT / source for source in sources if source.startswith(".")]


def commands(service: dict[str, Any]) -> list[str]:
    """The service's command and its health check's, each as one text."""
    check = service.get("healthcheck", {}).get("test", [])
    return [" ".join(service.get("command", [])), " ".join(check)]
