"""Aggregates: what a round's clients said together, by scope; and what their chunks disagree on.

They are made when a round is judged, and outlive the client records: dashboards read them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlmodel import Session

from app.core import clock
from app.core.validation import field_of
from app.rounds import reports, repository
from app.rounds.reports import ClientReport, Conflict
from app.rounds.tables import Refusal, Round, RoundAggregate

REPORTED_TWICE = "reported_twice"
COUNTS = ("label_counts", "prediction_counts", "score_histogram", "confusion")
Scope = tuple[str, str]


def aggregate(session: Session, round_: Round) -> None:
    """Put a round's reports together and keep their sums, in the place of earlier ones."""
    found, conflicts = reports.join(repository.blocks_of(session, [round_.id], None))
    answered = [report for report in found if report.status == "ok"]
    repository.replace_aggregates(session, round_.id, list(_aggregates(round_, answered)))
    refusals = [_refusal(round_, conflict) for conflict in conflicts]
    repository.replace_refusals(session, round_.id, REPORTED_TWICE, refusals)


def _aggregates(round_: Round, answered: Sequence[ClientReport]) -> Iterator[RoundAggregate]:
    for (scope, key), members in _scopes(answered).items():
        yield _sums(round_, "model", (scope, key), [(one, one.record) for one in members])
        canary = [(one, one.record["canary"]) for one in members if "canary" in one.record]
        if canary:
            yield _sums(round_, "canary", (scope, key), canary)


def _scopes(answered: Sequence[ClientReport]) -> dict[Scope, list[ClientReport]]:
    """The federation, and every tag and value that some of its clients carry."""
    scopes: dict[Scope, list[ClientReport]] = {("federation", ""): list(answered)}
    for report in answered:
        for tag, value in report.cohorts.items():
            scopes.setdefault(("cohort", f"{tag}={value}"), []).append(report)
    return scopes


Part = tuple[ClientReport, Mapping[str, Any]]  # a report, and what it says of the version


def _sums(round_: Round, measured: str, scope: Scope, parts: list[Part]) -> RoundAggregate:
    loss, correct = _told(parts, "loss_sum"), _told(parts, "correct_count")
    return RoundAggregate(
        round_id=round_.id,
        measured=measured,
        scope=scope[0],
        scope_key=scope[1],
        clients=len(parts),
        examples=sum(report.num_examples for report, _ in parts),
        loss_clients=len(loss),
        loss_examples=sum(n for n, _ in loss),
        loss_sum=float(sum(value for _, value in loss)),
        correct_clients=len(correct),
        correct_examples=sum(n for n, _ in correct),
        correct_count=float(sum(value for _, value in correct)),
        counts=_counts(parts),
    )


def _told(parts: Iterable[Part], metric: str) -> list[tuple[int, float]]:
    """The examples and the value of every client that told this metric."""
    values = ((report, block.get("metrics", {}).get(metric)) for report, block in parts)
    return [(report.num_examples, value) for report, value in values if value is not None]


def _counts(parts: Iterable[Part]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for _, block in parts:
        for subject, counts in _subjects(block):
            found.setdefault(subject, []).append(counts)
    return {
        subject: {"clients": len(told), "sum": np.sum(told, axis=0).tolist()}
        for subject, told in sorted(found.items())
    }


def _subjects(block: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, block[name]) for name in COUNTS if name in block)
    for name, counts in block.get("features", {}).items():
        yield f"feature:{name}", counts


def _refusal(round_: Round, conflict: Conflict) -> Refusal:
    return Refusal(
        federation_id=round_.federation_id,
        round_id=round_.id,
        run=round_.run,
        number=round_.number,
        phase=round_.phase,
        field=field_of((f"chunk-{conflict.chunk}", *conflict.path)),
        code=REPORTED_TWICE,
        message="An earlier chunk tells this otherwise for the same client, and that one counts.",
        record_sha256=conflict.body_sha256,
        at=clock.now(),
    )
