"""The ledger: what each client has spent of its privacy, by what its records declared.

One packed row a federation: for every client the 16 bytes of its pseudonym and four sums of costs
(`accounting.py`), ordered by pseudonym. It is written in the transaction that stores the records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.federations import service as federations
from app.federations.policy import PrivacyPolicy
from app.federations.tables import Federation
from app.rounds import accounting, repository
from app.rounds.accounting import COLUMNS, Costs
from app.rounds.tables import PrivacySpent, Round

MOST_LISTED = 100
_KEY = "S16"
_DTYPE = np.dtype([("client", "V16"), ("spent", "<f8", (len(COLUMNS),))])
Ledger = NDArray[np.void]


@dataclass(frozen=True)
class Charge:
    """Which of a push's clients may not spend what their record costs, and how many come near."""

    refused: NDArray[np.bool_]
    near: int = 0


@dataclass(frozen=True)
class Spent:
    """What a federation's clients have spent."""

    clients: int
    worst_epsilon: float
    near: int
    exhausted: int
    most: list[tuple[str, float]]  # pseudonyms with their epsilon, the most spent first


def charge(session: Session, federation: Federation, cost: Costs, clients: Sequence[str]) -> Charge:
    """Have these clients spend the cost of a record, but those whom it would take past the budget.

    `cost` is of shape (4,), as `accounting.cost_of` gives it. The federation's row is locked until
    the transaction ends.
    """
    refused = np.zeros(len(clients), dtype=np.bool_)
    if not clients:
        return Charge(refused)
    policy = federations.policy_of(federation).privacy
    ledger = repository.ledger(session, federation.id)
    known = _unpack(ledger)
    keys = _keys(clients)
    spent = _spent_by(known, keys) + cost
    near = 0
    if policy.epsilon_budget is not None:
        refused = accounting.beyond(spent, policy.epsilon_budget, policy.delta)
        warned = policy.warn_share * policy.epsilon_budget
        near = int((accounting.beyond(spent, warned, policy.delta) & ~refused).sum())
    if not refused.all():
        data = _updated(known, keys[~refused], spent[~refused]).tobytes()
        repository.keep_ledger(session, federation.id, data)
    return Charge(refused, near)


def spent_in(session: Session, federation: Federation, listed: int = MOST_LISTED) -> Spent:
    """What the federation's clients have spent at the policy's delta; `listed` of them by name."""
    policy = federations.policy_of(federation).privacy
    known = _unpack(repository.ledger(session, federation.id))
    most = _most_spent(known, policy.delta, listed)
    near, exhausted = _counts(known["spent"], policy)
    return Spent(
        clients=len(known),
        worst_epsilon=most[0][1] if most else 0.0,
        near=near,
        exhausted=exhausted,
        most=most,
    )


def note(session: Session, federation: Federation, round_: Round) -> None:
    """Keep what was spent until a round; nothing while fewer than k clients spent any."""
    spent = spent_in(session, federation, listed=1)
    if spent.clients < max(federation.min_cohort_size, 1):
        return
    policy = federations.policy_of(federation).privacy
    row = PrivacySpent(
        round_id=round_.id,
        federation_id=federation.id,
        received_at=round_.received_at,
        clients=spent.clients,
        worst_epsilon=spent.worst_epsilon if isfinite(spent.worst_epsilon) else None,
        near=spent.near,
        exhausted=spent.exhausted,
        epsilon_budget=policy.epsilon_budget,
        delta=policy.delta,
    )
    repository.keep_spent(session, row)


def forget(session: Session, federation_id: UUID, clients: Sequence[str]) -> None:
    """Leave these clients out from now on."""
    known = _unpack(repository.ledger(session, federation_id))
    kept = known[~np.isin(known["client"].view(_KEY), _keys(clients))]
    if len(kept) < len(known):
        repository.keep_ledger(session, federation_id, kept.tobytes())


def _counts(spent: Costs, policy: PrivacyPolicy) -> tuple[int, int]:
    """How many have passed the share that is warned of, and how many could not spend that again."""
    if policy.epsilon_budget is None or not len(spent):
        return 0, 0
    warned = accounting.beyond(spent, policy.warn_share * policy.epsilon_budget, policy.delta)
    at_end = accounting.beyond(spent, policy.epsilon_budget * (1 - 1e-9), policy.delta)
    return int(warned.sum()), int(at_end.sum())


def _most_spent(known: Ledger, delta: float, listed: int) -> list[tuple[str, float]]:
    """The clients that spent the most, by a bound first and then by their epsilon itself."""
    spent = known["spent"]
    rho = spent[:, 1] + spent[:, 2]
    first = np.lexsort((known["client"].view(_KEY), -spent[:, 0], -rho))[:listed]
    found = [
        (f"c_{known['client'][at].tobytes().hex()}", accounting.epsilon_of(spent[at], delta))
        for at in first
    ]
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _unpack(data: bytes) -> Ledger:
    return np.frombuffer(data, _DTYPE)


def _keys(clients: Sequence[str]) -> NDArray[np.bytes_]:
    """Pseudonyms as 16 bytes each; trailing zero bytes do not matter to their order."""
    digits = bytes.fromhex("".join(client[2:] for client in clients))
    return np.frombuffer(digits, _KEY)


def _spent_by(known: Ledger, keys: NDArray[np.bytes_]) -> Costs:
    spent = np.zeros((len(keys), len(COLUMNS)))
    there, at = _places(known, keys)
    spent[there] = known["spent"][at[there]]
    return spent


def _places(known: Ledger, keys: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which of the keys are in the ledger, and where they are or would be."""
    ordered = known["client"].view(_KEY) if len(known) else np.zeros(0, _KEY)
    at = np.searchsorted(ordered, keys)
    there = np.zeros(len(keys), dtype=np.bool_)
    inside = at < len(ordered)
    there[inside] = ordered[at[inside]] == keys[inside]
    return there, at


def _updated(known: Ledger, keys: NDArray[np.bytes_], spent: Costs) -> Ledger:
    there, at = _places(known, keys)
    changed = known.copy()
    changed["spent"][at[there]] = spent[there]
    if there.all():
        return changed
    added = np.zeros(int((~there).sum()), _DTYPE)
    added["client"], added["spent"] = keys[~there].view("V16"), spent[~there]
    whole = np.concatenate((changed, added))
    return whole[np.argsort(whole["client"].view(_KEY), kind="stable")]
