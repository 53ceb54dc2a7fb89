# mypy: disable-error-code="import-not-found"
"""The example's job in FLARE's simulator: server and sites are threads of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vigie_client import Pseudonyms

if TYPE_CHECKING:
    from conftest import LoopbackService

SIMULATE = Path(__file__).parent / "simulate.py"
SITES, ROUNDS, FEATURES, EXAMPLES = 4, 2, 7, 60
PSEUDONYM_KEY = "5a" * 32


@pytest.mark.parametrize("workflow", ["FedAvg", "ScatterAndGather"])
def test_a_simulated_job_tells_of_its_rounds(
    loopback: LoopbackService, key: str, tmp_path: Path, workflow: str
) -> None:
    _prepare(tmp_path)
    ran = subprocess.run(
        [sys.executable, str(SIMULATE), workflow, loopback.url, str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"VIGIE_API_KEY": key, "VIGIE_PSEUDONYM_KEY": PSEUDONYM_KEY},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    pushed = {path: json.loads(body) for path, body in loopback.stored.items()}
    assert sorted(path.partition("/runs/")[2] for path in pushed) == [
        f"simulated-1/rounds/{number}/fit" for number in range(ROUNDS)
    ]
    pseudonym = Pseudonyms(bytes.fromhex(PSEUDONYM_KEY))
    everybody = {pseudonym(f"site-{number}") for number in range(1, SITES + 1)}
    for body in pushed.values():
        assert {one["client"] for one in body["clients"]} == everybody
        assert {one["num_examples"] for one in body["clients"]} == {EXAMPLES}
        assert body["participation"]["replied"] == SITES
        assert body["participation"]["latency_p95_ms"] > 0
        assert body["participation"]["bytes_down"] >= SITES * 8 * (FEATURES + 1)
    (outcome,) = (tmp_path / "workspace").rglob("vigie.json")
    assert json.loads(outcome.read_text())["rounds"] == ROUNDS


def _prepare(folder: Path) -> None:
    names = ("PM10", "SO2", "NO2", "CO", "TEMP", "DEWP", "WSPM")
    numeric = {"kind": "numeric", "edges": [-1.0, 0.0, 1.0], "unit": "sd"}
    spec = {"labels": ["clear", "smog"], "score": {"edges": [0, 0.5, 1]}}
    (folder / "bins.json").write_text(
        json.dumps({**spec, "features": dict.fromkeys(names, numeric)})
    )
    for number in range(1, SITES + 1):
        x = np.random.default_rng(number).standard_normal((1, EXAMPLES, FEATURES))
        np.savez(folder / f"site-{number}.npz", x=x, y=(x[:, :, 0] > 0).astype(np.int64))
