"""``trainees_from``: what a run's configuration says of who is to train."""

import json
from collections.abc import Mapping
from pathlib import Path

from vigie_client.models import Trainees


def trainees_from(run_config: Mapping[str, bool | int | float | str]) -> Trainees:
    """Read whom ``FlowerTraining`` was asked to train, in the ServerApp; all, if nothing is said.

    ``OSError`` where the file of ``vigie-trainees`` cannot be read.
    """
    if path := run_config.get("vigie-trainees"):
        return Trainees.from_json(json.loads(Path(str(path)).read_text()))
    cohort, weight = run_config.get("vigie-cohort"), run_config.get("vigie-cohort-weight")
    if not cohort:
        return Trainees()
    if not weight:
        return Trainees("drifted", str(cohort))
    return Trainees("weighted", str(cohort), float(weight))
