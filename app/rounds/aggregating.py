"""Aggregates: what a round's clients said together, by scope; and what their chunks disagree on.

They are made when a round is judged, and outlive the client records: dashboards, exports and
notebooks read them. What may not be shown is not in them (`disclosure.py`): no row for a hidden
scope, nothing of a subject that too few clients of a scope told, and rounded values. So whoever
reads them has no rule to apply.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlmodel import Session

from app.core import clock
from app.core.validation import field_of
from app.federations import service as federations
from app.rounds import disclosure, reports, repository
from app.rounds.disclosure import FEDERATION, Scope
from app.rounds.reports import ClientReport, Conflict
from app.rounds.tables import Refusal, Round, RoundAggregate

REPORTED_TWICE = "reported_twice"
COUNTS = ("label_counts", "prediction_counts", "score_histogram", "confusion")


def aggregate(session: Session, round_: Round) -> None:
    """Put a round's reports together and keep their sums, in the place of earlier ones.

    Once records of the round were dropped, a late chunk alone says less than the sums that were
    kept, and they stay.
    """
    blocks = repository.blocks_of(session, [round_.id], None)
    if any(block.data is None for block in blocks):
        return
    found, conflicts = reports.join(blocks)
    answered = [report for report in found if report.status == "ok"]
    k = federations.get(session, round_.federation_id).min_cohort_size
    repository.replace_aggregates(session, round_.id, list(aggregates(round_, answered, k)))
    refusals = [_refusal(round_, conflict) for conflict in conflicts]
    repository.replace_refusals(session, round_.id, REPORTED_TWICE, refusals)


Part = tuple[ClientReport, Mapping[str, Any]]  # a report, and what it says of the version
Told = Callable[[frozenset[str]], set[Scope]]  # the scopes to show of what these clients told


def aggregates(round_: Round, answered: Sequence[ClientReport], k: int) -> Iterator[RoundAggregate]:
    """What may be shown of the round's version, and of its candidate, in groups of k or more."""
    each = disclosure.clients_of_a_record(round_.envelope)
    k = disclosure.records_needed(k, each)
    cohorts = {report.client: report.cohorts for report in answered}

    @cache
    def shown_of(clients: frozenset[str]) -> set[Scope]:
        groups = disclosure.scopes_of({client: cohorts[client] for client in clients})
        return disclosure.shown(groups, k)

    of_model: list[Part] = [(report, report.record) for report in answered]
    yield from _measured(round_, "model", of_model, shown_of, k)
    of_canary = [(one, one.record["canary"]) for one in answered if "canary" in one.record]
    # The examples of both stand beside each other, so their clients may not differ by a few.
    if len(answered) - len(of_canary) not in range(1, k):
        yield from _measured(round_, "canary", of_canary, shown_of, k)


def _measured(
    round_: Round, measured: str, parts: Sequence[Part], shown_of: Told, k: int
) -> Iterator[RoundAggregate]:
    clients = frozenset(report.client for report, _ in parts)
    told = {subject: _clients_with(parts, subject) for subject in _all_subjects(parts)}
    for scope in sorted(shown_of(clients)):
        members = [part for part in parts if _in_scope(part[0], scope)]
        subjects = {subject for subject, whose in told.items() if scope in shown_of(whose)}
        yield _sums(round_, measured, scope, members, subjects, k)


def _sums(
    round_: Round, measured: str, scope: Scope, parts: list[Part], subjects: set[str], k: int
) -> RoundAggregate:
    loss = _sum(parts if "loss_sum" in subjects else [], "loss_sum", k)
    correct = _sum(parts if "correct_count" in subjects else [], "correct_count", k)
    examples = sum(report.num_examples for report, _ in parts)
    return RoundAggregate(
        round_id=round_.id,
        measured=measured,
        scope=scope[0],
        scope_key=scope[1],
        clients=len(parts) * disclosure.clients_of_a_record(round_.envelope),
        examples=disclosure.coarse_total(examples, len(parts), k),
        loss_clients=loss.clients,
        loss_examples=loss.examples,
        loss_sum=loss.value,
        correct_clients=correct.clients,
        correct_examples=correct.examples,
        correct_count=correct.value,
        counts=_counts(parts, subjects, k),
    )


@dataclass(frozen=True)
class _Sum:
    """A metric's sum over the examples of the clients that told it, as it may be shown."""

    clients: int
    examples: int
    value: float


def _sum(parts: Iterable[Part], metric: str, k: int) -> _Sum:
    told = [
        (report.num_examples, value)
        for report, block in parts
        if (value := block.get("metrics", {}).get(metric)) is not None
    ]
    exact = sum(n for n, _ in told)
    if not exact:
        return _Sum(0, 0, 0.0)
    mean = disclosure.coarsened(sum(value for _, value in told) / exact, len(told), k)
    examples = disclosure.coarse_total(exact, len(told), k)
    return _Sum(len(told), examples, mean * examples)


def _counts(parts: Iterable[Part], shown: set[str], k: int) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for _, block in parts:
        for subject, counts in _subjects(block):
            if subject in shown:
                found.setdefault(subject, []).append(counts)
    return {
        subject: {
            "clients": len(told),
            "sum": disclosure.coarse_counts(np.sum(told, axis=0), len(told), k).tolist(),
        }
        for subject, told in sorted(found.items())
    }


def _subjects(block: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, block[name]) for name in COUNTS if name in block)
    for name, counts in block.get("features", {}).items():
        yield f"feature:{name}", counts


def _told(block: Mapping[str, Any]) -> set[str]:
    """What a client's block tells: metrics by their names, counts by their subjects."""
    metrics = {name for name, value in block.get("metrics", {}).items() if value is not None}
    return metrics | {subject for subject, _ in _subjects(block)}


def _all_subjects(parts: Iterable[Part]) -> set[str]:
    return set().union(*(_told(block) for _, block in parts))


def _clients_with(parts: Iterable[Part], subject: str) -> frozenset[str]:
    return frozenset(report.client for report, block in parts if subject in _told(block))


def _in_scope(report: ClientReport, scope: Scope) -> bool:
    tag, _, value = scope[1].partition("=")
    return scope == FEDERATION or report.cohorts.get(tag) == value


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
