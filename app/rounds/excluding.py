"""Excluding: good records that the federation may not take, each refused by name."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlmodel import Session

from app.core.database import beside_others
from app.core.errors import FieldError
from app.federations import names
from app.federations.tables import Federation
from app.rounds import accounting, ledger, repository
from app.rounds.admission import Admitted, Refused, sha256_of
from app.rounds.columns import trees_of
from app.rounds.schemas import Privacy

WITHDRAWN_CLIENT, BUDGET_EXCEEDED = "withdrawn_client", "privacy_budget_exceeded"
_WITHDREW = "This client withdrew from the federation; send no records of it."
_SPENT = "With this record the client would spend more epsilon than the federation's policy allows."


def exclude(
    session: Session, federation: Federation, privacy: Privacy, admitted: Admitted
) -> tuple[Admitted, list[str]]:
    """The records that the federation may take, and warnings; what they cost is in the ledger."""
    left = _without_withdrawn(session, federation, admitted)
    cost = accounting.cost_of(privacy.model_dump())
    if cost is None:
        return left, []
    spent = ledger.charge(session, federation, cost, _clients(left))
    warnings = [f"privacy_budget_near: {spent.near} client(s)"] if spent.near else []
    return _excluded(left, spent.refused, BUDGET_EXCEEDED, _SPENT), warnings


def _without_withdrawn(session: Session, federation: Federation, admitted: Admitted) -> Admitted:
    beside_others(session, f"{federation.id}/withdrawals")
    marks = repository.withdrawal_marks(session, federation.id)
    if not marks:
        return admitted
    key = names.withdrawal_key(federation)
    out = [names.withdrawal_mark(key, client) in marks for client in _clients(admitted)]
    return _excluded(admitted, np.array(out, np.bool_), WITHDRAWN_CLIENT, _WITHDREW)


def _clients(admitted: Admitted) -> list[str]:
    batch = admitted.batch
    return list(batch.column("client").to_pylist()) if batch.num_rows else []


def _excluded(admitted: Admitted, out: NDArray[np.bool_], code: str, message: str) -> Admitted:
    if not out.any():
        return admitted
    before = {one.index for one in admitted.refused}
    positions = [at for at in range(len(out) + len(before)) if at not in before]
    trees = trees_of(admitted.batch.filter(pa.array(out)))
    refused = [
        Refused(at, FieldError(f"clients.{at}.client", code, message), sha256_of(tree))
        for at, tree in zip(np.array(positions)[out].tolist(), trees, strict=True)
    ]
    return Admitted(
        admitted.batch.filter(pa.array(~out)),
        sorted([*admitted.refused, *refused], key=lambda one: one.index),
    )
