"""Aggregates: what a round's clients said together, by scope; and what their chunks disagree on.

They are made when a round is judged, and outlive the client records: dashboards, exports and
notebooks read them. What may not be shown is not in them (`disclosure.py`): no row for a hidden
scope, nothing of a subject that too few clients of a scope told, and rounded values. So whoever
reads them has no rule to apply.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.core import clock
from app.core.validation import field_of
from app.federations import service as federations
from app.rounds import disclosure, ledger, records, repository
from app.rounds.disclosure import FEDERATION, Scope
from app.rounds.layout import COHORT, FEATURE
from app.rounds.records import Records
from app.rounds.reports import Conflict
from app.rounds.tables import Refusal, Round, RoundAggregate

Mask = NDArray[np.bool_]
CANARY = "canary."
REPORTED_TWICE = "reported_twice"
COUNTS = ("label_counts", "prediction_counts", "score_histogram", "confusion")


def aggregate(session: Session, round_: Round) -> None:
    """Put a round's records together and keep their sums, in the place of earlier ones.

    Once records of the round were dropped, a late chunk alone says less than the sums that were
    kept, and they stay.
    """
    blocks = repository.blocks_of(session, [round_.id], None)
    if any(block.data is None for block in blocks):
        return
    found, conflicts = records.read_and_compare(blocks)
    federation = federations.get(session, round_.federation_id)
    kept = list(aggregates(round_, found, federation.min_cohort_size))
    repository.replace_aggregates(session, round_.id, kept)
    ledger.note(session, federation, round_)
    refusals = [_refusal(round_, conflict) for conflict in conflicts]
    repository.replace_refusals(session, round_.id, REPORTED_TWICE, refusals)


def aggregates(round_: Round, found: Records, k: int) -> Iterator[RoundAggregate]:
    """What may be shown of the round's version, and of its candidate, in groups of k or more."""
    if not len(found.clients):
        return
    status = found.texts.get("status", np.full(len(found.clients), ""))
    answered = np.isin(status, ("", "ok"))
    scopes = _Scopes(found, disclosure.records_needed(k, _clients_of_each(round_)))
    yield from _measured(round_, "model", "", scopes, answered)
    of_canary = answered & _any_told(found, CANARY)
    # The examples of both stand beside each other, so their clients may not differ by a few.
    if np.count_nonzero(answered & ~of_canary) not in range(1, scopes.least):
        yield from _measured(round_, "canary", CANARY, scopes, of_canary)


class _Scopes:
    """The records of a round, and which scopes may be shown of which of its clients."""

    def __init__(self, found: Records, least: int) -> None:
        self.found, self.least = found, least
        self.shown = cache(self._shown)
        self._tags = {
            name.removeprefix(COHORT): values
            for name, values in found.texts.items()
            if name.startswith(COHORT)
        }

    def members(self, scope: Scope) -> Mask:
        """Which clients are in a scope."""
        tag, _, value = scope[1].partition("=")
        if scope == FEDERATION:
            return np.ones(len(self.found.clients), dtype=np.bool_)
        members: Mask = self._tags[tag] == value
        return members

    def _shown(self, clients: bytes) -> set[Scope]:
        """The scopes that may be shown of what these clients told."""
        rows = np.flatnonzero(np.frombuffer(clients, dtype=np.bool_))
        return disclosure.shown(disclosure.rows_of(self._tags, rows), self.least)


def _measured(
    round_: Round, measured: str, prefix: str, scopes: _Scopes, clients: Mask
) -> Iterator[RoundAggregate]:
    told = {subject: whose & clients for subject, whose in _telling(scopes.found, prefix)}
    for scope in sorted(scopes.shown(clients.tobytes())):
        members = scopes.members(scope) & clients
        subjects = {
            subject
            for subject, whose in told.items()
            if whose.any() and scope in scopes.shown(whose.tobytes())
        }
        yield _sums(round_, measured, scope, scopes, members, prefix, subjects)


def _sums(
    round_: Round,
    measured: str,
    scope: Scope,
    scopes: _Scopes,
    members: Mask,
    prefix: str,
    subjects: set[str],
) -> RoundAggregate:
    found, k, clients = scopes.found, scopes.least, int(np.count_nonzero(members))
    loss, correct = (
        _sum(found, f"{prefix}metrics.{name}", members, k) if name in subjects else _Sum(0, 0, 0.0)
        for name in ("loss_sum", "correct_count")
    )
    examples = int(found.numbers["num_examples"][members].sum())
    return RoundAggregate(
        round_id=round_.id,
        measured=measured,
        scope=scope[0],
        scope_key=scope[1],
        clients=clients * _clients_of_each(round_),
        examples=disclosure.coarse_total(examples, clients, k),
        loss_clients=loss.clients,
        loss_examples=loss.examples,
        loss_sum=loss.value,
        correct_clients=correct.clients,
        correct_examples=correct.examples,
        correct_count=correct.value,
        counts=dict(_counts(found, members, prefix, subjects, k)),
    )


@dataclass(frozen=True)
class _Sum:
    """A metric's sum over the examples of the clients that told it, as it may be shown."""

    clients: int
    examples: int
    value: float


def _sum(found: Records, column: str, members: Mask, k: int) -> _Sum:
    values = found.numbers[column]
    told = members & ~np.isnan(values)
    clients, exact = int(np.count_nonzero(told)), int(found.numbers["num_examples"][told].sum())
    if not exact:
        return _Sum(0, 0, 0.0)
    mean = disclosure.coarsened(float(values[told].sum()) / exact, clients, k)
    examples = disclosure.coarse_total(exact, clients, k)
    return _Sum(clients, examples, mean * examples)


def _counts(
    found: Records, members: Mask, prefix: str, subjects: set[str], k: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    for subject, column in sorted(_count_columns(found, prefix)):
        if subject in subjects:
            counted = found.counts[column]
            told = members & counted.told
            clients = int(np.count_nonzero(told))
            exact = counted.counts[told].sum(axis=0)
            sums = disclosure.coarse_counts(exact, clients, k)
            matrix = sums.reshape(counted.rows, -1) if counted.rows else sums
            yield subject, {"clients": clients, "sum": matrix.tolist()}


def _telling(found: Records, prefix: str) -> Iterator[tuple[str, Mask]]:
    """Every subject of the version, and which clients told it."""
    block = f"{prefix}metrics."
    for column, values in found.numbers.items():
        if column.startswith(block):
            yield column.removeprefix(block), ~np.isnan(values)
    for subject, column in _count_columns(found, prefix):
        yield subject, found.counts[column].told


def _count_columns(found: Records, prefix: str) -> Iterator[tuple[str, str]]:
    yield from ((name, f"{prefix}{name}") for name in COUNTS if f"{prefix}{name}" in found.counts)
    if not prefix:
        for column in found.counts:
            if column.startswith(FEATURE):
                yield f"feature:{column.removeprefix(FEATURE)}", column


def _any_told(found: Records, prefix: str) -> Mask:
    """Which clients told anything under a prefix."""
    told = np.zeros(len(found.clients), dtype=np.bool_)
    for column, values in found.numbers.items():
        if column.startswith(prefix):
            told |= ~np.isnan(values)
    for column, counted in found.counts.items():
        if column.startswith(prefix):
            told |= counted.told
    return told


def _clients_of_each(round_: Round) -> int:
    return disclosure.clients_of_a_record(round_.envelope)


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
