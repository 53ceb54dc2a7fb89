"""Bodies that an FL server would push, and stored reports, for tests."""

import hashlib
import hmac
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from app.core import clock
from app.rounds.blocks import pack
from app.rounds.columns import batch_of_trees
from app.rounds.layout import layout_of
from app.rounds.reports import ClientReport
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import ReportBlock

BIN_SPEC: dict[str, Any] = {
    "labels": ["on time", "late"],
    "score": {"edges": [0.0, 0.25, 0.5, 0.75, 1.0]},
    "features": {
        "hour": {"kind": "numeric", "edges": [0.0, 6.0, 12.0, 18.0, 24.0], "unit": "h"},
        "origin": {"kind": "categorical", "categories": ["EWR", "JFK", "LGA"]},
    },
}


def pseudonym(name: object) -> str:
    """A well-formed pseudonym."""
    digest = hmac.new(b"k" * 32, str(name).encode(), hashlib.sha256).hexdigest()
    return f"c_{digest[:32]}"


def record(name: object = "AA", n: int = 100, late: int = 20, **more: Any) -> dict[str, Any]:
    """One client's record: `late` of `n` flights late, losses to match."""
    loss = 0.3 + 0.9 * late / n
    base: dict[str, Any] = {
        "client": pseudonym(name),
        "status": "ok",
        "num_examples": n,
        "metrics": {
            "loss_sum": loss * n,
            "loss_sumsq": 1.2 * loss * loss * n,
            "correct_count": n - late,
        },
        "label_counts": [n - late, late],
        "prediction_counts": [n - late, late],
        "score_histogram": [n - late, late, 0, 0],
        "features": {"hour": [0, n // 2, n - n // 2, 0], "origin": [n, 0, 0, 0]},
    }
    return base | more


def body(
    *clients: dict[str, Any], step: int = 1, spec: str | None = None, **more: Any
) -> dict[str, Any]:
    """A push of these clients' records."""
    base: dict[str, Any] = {
        "schema_version": 1,
        "attempt": 1,
        "global_step": step,
        "model": {"name": "late-arrival", "version": "1"},
        "started_at": "2013-06-10T00:00:00Z",
        "ended_at": "2013-06-17T00:00:00Z",
        "clients": list(clients) or [record()],
    }
    if spec is not None:
        base["bin_spec"] = spec
    return base | more


def blocks(reports: Iterable[ClientReport], spec: dict[str, Any] = BIN_SPEC) -> list[ReportBlock]:
    """The reports as they would be stored, one chunk a round, counted on a bin spec."""
    return [
        _block(list(of_round), spec) for _, of_round in groupby(reports, lambda one: one.round_id)
    ]


def _block(reports: list[ClientReport], spec: dict[str, Any]) -> ReportBlock:
    tags = tuple(sorted({tag for report in reports for tag in report.cohorts}))
    layout = layout_of(BinSpecIn.model_validate(spec), tags)
    trees = [
        {
            "client": report.client,
            "status": report.status,
            "num_examples": report.num_examples,
            "cohorts": report.cohorts,
            **report.record,
        }
        for report in reports
    ]
    return ReportBlock(
        round_id=reports[0].round_id,
        chunk=0,
        body_sha256="0" * 64,
        receipt={},
        accepted=len(reports),
        quarantined=0,
        received_at=clock.now(),
        data=pack(batch_of_trees(trees, layout)),
    )
