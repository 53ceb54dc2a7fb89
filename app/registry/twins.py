"""What MLflow is told of a version: the name it goes by there, and its lineage as tags."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.drift.tables import Reference
from app.federations.tables import Federation
from app.registry.tables import Model, ModelVersion

VERSION_ID = "vigie.version_id"
MOST_REFERENCES = 20  # the newest; a tag holds 5000 characters


@dataclass(frozen=True)
class Twin:
    """A version as MLflow is to have it; `tags` hold its id here under `VERSION_ID`.

    `told` are the tags that MLflow was told last, with the source that it had then. None of both
    means that whatever MLflow has is to be put right.
    """

    name: str
    version_id: str
    weights_sha256: str
    artifact_uri: str | None
    note: str | None
    tags: dict[str, str]
    told: Mapping[str, str] | None = None
    told_source: str | None = None


@dataclass(frozen=True)
class Held:
    """A version as MLflow has it: under its number."""

    number: str
    tags: dict[str, str]
    source: str


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


def to_be_set(
    wanted: Mapping[str, str | None], told: Mapping[str, str] | None, found: Mapping[str, str]
) -> dict[str, str | None]:
    """Which aliases or tags to set (to None: to delete), given what was told and what is found.

    What was told as it is wanted, and is otherwise now, somebody else has changed: that is raised
    and left alone. With `told` None, everything is put right.

    >>> to_be_set({"a": "1", "b": "2"}, {"a": "1", "b": "1"}, {"a": "7", "b": "1"})
    {'b': '2'}
    >>> to_be_set({"a": "1"}, None, {"a": "7"})
    {'a': '1'}
    """
    return {
        key: value
        for key, value in wanted.items()
        if found.get(key) != value and (told is None or told.get(key) != value)
    }


def alias_of(cohort: str) -> str:
    """The alias `champion.<cohort>` as MLflow can hold it: letters, digits, dashes and underscores.

    What else a cohort's name has becomes a dash, and a digest keeps apart what looks alike then.

    >>> alias_of("region=north")
    'champion-region-north-c9339d'
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", cohort)
    return f"champion-{plain}-{hashlib.sha256(cohort.encode()).hexdigest()[:6]}"


def tags_of(
    federation: Federation,
    model: Model,
    version: ModelVersion,
    references: list[Reference],
    mlflow_run: str | None,
) -> dict[str, str]:
    """The lineage of a version as MLflow's tags."""
    facts = {
        "version_id": version.id,
        "federation": federation.name,
        "model": model.name,
        "version": version.version,
        "run": version.run,
        "mlflow_run": mlflow_run,
        "weights_sha256": version.weights_sha256,
        "parent_version": version.parent_version,
        "retrain_request": version.retrain_request_id,
        "incident": version.incident_id,
        "registered_by": version.registered_by,
        "references": " ".join(_named(one) for one in references[-MOST_REFERENCES:]) or None,
        **version.lineage,
    }
    return {f"vigie.{name}": str(fact) for name, fact in facts.items() if fact is not None}


def _named(reference: Reference) -> str:
    return f"{reference.number}:{reference.sha256}"
