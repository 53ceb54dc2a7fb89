"""Lineage: from what, by which training and for what reason a version came to be."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from sqlmodel import Session

from app.drift import service as drift
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import repository
from app.registry.lineage_schemas import LineageOut, PrivacyOut, ReferenceOut, RoundRef
from app.registry.tables import Model, ModelVersion
from app.rounds import service as rounds
from app.rounds.accounting import cost_of, epsilon_of
from app.rounds.schemas import Phase
from app.rounds.tables import Round

MOST_ANCESTORS = 100


def made_by(session: Session, federation: Federation, model: Model, run: str) -> dict[str, Any]:
    """What the run's stored fit rounds say of how a version came to be; kept with the version."""
    fitted = _fitted(session, model, run)
    reports = rounds.reports_of(session, [round_.id for round_ in fitted])
    delta = federations.policy_of(federation).privacy.delta
    return {
        "rounds": len(fitted),
        "participants": len({report.client for report in reports if report.status == "ok"}),
        **(_ended_with(fitted, delta) if fitted else {}),
    }


def lineage_of(
    session: Session, federation: Federation, model: Model, version: ModelVersion
) -> LineageOut:
    """All that is known of how a version came to be, and what it has been measured against."""
    kept: Mapping[str, Any] = version.lineage
    fitted = _fitted(session, model, version.run)
    return LineageOut(
        model=model.name,
        version=version.version,
        parent=version.parent_version,
        ancestors=list(_ancestors(session, model, version)),
        run=version.run,
        mlflow_run=repository.mlflow_runs(session, model).get(version.run),
        mlflow_version=version.mlflow_version,
        rounds=kept.get("rounds", 0),
        rounds_sha256=kept.get("rounds_sha256"),
        fit_rounds=[RoundRef(id=one.id, number=one.number, step=one.global_step) for one in fitted],
        first_step=kept.get("first_step"),
        last_step=kept.get("last_step"),
        participants=kept.get("participants", 0),
        strategy=kept.get("strategy"),
        config_sha256=kept.get("config_sha256"),
        privacy=PrivacyOut(
            mechanism=kept.get("privacy"),
            epsilon=kept.get("epsilon"),
            delta=kept.get("delta"),
            secure_aggregation=kept.get("secure_aggregation"),
        ),
        retrain_request=version.retrain_request_id,
        incident=version.incident_id,
        references=[
            ReferenceOut.model_validate(one, from_attributes=True)
            for one in drift.references_of(session, federation.id, model.name)[::-1]
            if one.version == version.version
        ],
        weights_sha256=version.weights_sha256,
        artifact_uri=version.artifact_uri,
        registered_by=version.registered_by,
        registered_at=version.created_at,
        note=version.note,
    )


def _fitted(session: Session, model: Model, run: str) -> list[Round]:
    found = rounds.of_run(session, model.federation_id, run, Phase.FIT)
    return [round_ for round_ in found if round_.model == model.name]


def _ended_with(fitted: Sequence[Round], delta: float) -> dict[str, Any]:
    last = fitted[-1]
    strategy = last.envelope.get("strategy") or {}
    privacy = last.envelope.get("privacy") or {}
    epsilon = epsilon_spent(fitted, delta)
    bodies = "".join(round_.body_sha256 for round_ in fitted)
    return {
        "first_step": fitted[0].global_step,
        "last_step": last.global_step,
        "rounds_sha256": hashlib.sha256(bodies.encode()).hexdigest(),
        "strategy": strategy.get("name"),
        "config_sha256": strategy.get("config_sha256"),
        "privacy": privacy.get("mechanism"),
        "secure_aggregation": privacy.get("secure_aggregation"),
        "epsilon": epsilon,
        "delta": None if epsilon is None else delta,
    }


def epsilon_spent(fitted: Sequence[Round], delta: float) -> float | None:
    """What a client that took part in each of these rounds has spent, at `delta`.

    None where no noise was declared, or where the budget of `delta` itself is used up.
    """
    costs = [cost_of(round_.envelope.get("privacy") or {}) for round_ in fitted]
    spent = [cost for cost in costs if cost is not None]
    if not spent:
        return None
    epsilon = epsilon_of(np.sum(spent, axis=0), delta)
    return round(epsilon, 6) if isfinite(epsilon) else None


def _ancestors(session: Session, model: Model, version: ModelVersion) -> Iterator[str]:
    """Its parent, that one's parent and so on."""
    parents = {one.version: one.parent_version for one in repository.versions_of(session, model)}
    parent = version.parent_version
    for _ in range(MOST_ANCESTORS):
        if parent is None:
            return
        yield parent
        parent = parents.get(parent)
