"""What MLflow is told of a version: the name it goes by there, and its lineage as tags."""

import hashlib
import re
from dataclasses import dataclass

from app.federations.tables import Federation
from app.registry.tables import Model, ModelVersion

VERSION_ID = "vigie.version_id"


@dataclass(frozen=True)
class Twin:
    """A version as MLflow is to have it; `tags` hold its id here under `VERSION_ID`."""

    name: str
    version_id: str
    weights_sha256: str
    artifact_uri: str | None
    note: str | None
    tags: dict[str, str]


def registered_name(federation: str, model: str) -> str:
    """`<federation>.<model>`, with the federation's own dots doubled.

    No two pairs share a name: a model's name starts with a letter or digit, so the first run of
    dots of odd length ends where the model's name begins.

    >>> registered_name("flights", "late-arrival")
    'flights.late-arrival'
    >>> registered_name("a.b", "c"), registered_name("a", "b.c")
    ('a..b.c', 'a.b.c')
    """
    return f"{federation.replace('.', '..')}.{model}"


def alias_of(cohort: str) -> str:
    """The alias `champion.<cohort>` as MLflow can hold it: letters, digits, dashes and underscores.

    What else a cohort's name has becomes a dash, and a digest keeps apart what looks alike then.

    >>> alias_of("region=north")
    'champion-region-north-c9339d'
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", cohort)
    return f"champion-{plain}-{hashlib.sha256(cohort.encode()).hexdigest()[:6]}"


def twin_of(federation: Federation, model: Model, version: ModelVersion) -> Twin:
    """The twin of a stored version."""
    return Twin(
        name=registered_name(federation.name, model.name),
        version_id=str(version.id),
        weights_sha256=version.weights_sha256,
        artifact_uri=version.artifact_uri,
        note=version.note,
        tags=_tags(federation, model, version),
    )


def _tags(federation: Federation, model: Model, version: ModelVersion) -> dict[str, str]:
    facts = {
        "version_id": version.id,
        "federation": federation.name,
        "model": model.name,
        "version": version.version,
        "run": version.run,
        "weights_sha256": version.weights_sha256,
        "parent_version": version.parent_version,
        "retrain_request": version.retrain_request_id,
        "incident": version.incident_id,
        "registered_by": version.registered_by,
        **version.lineage,
    }
    return {f"vigie.{name}": str(fact) for name, fact in facts.items() if fact is not None}
