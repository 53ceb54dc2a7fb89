"""Whether a version is still what was registered: no other becomes champion."""

from collections.abc import Iterator

from sqlmodel import Session

from app.registry import repository
from app.registry.deviations import Kind
from app.registry.errors import NotAsRegisteredError
from app.registry.tables import Deviation, Model, ModelVersion, Promotion

_TOLD = {
    Kind.MODEL_DELETED: "MLflow's registry has no such model any more",
    Kind.VERSION_DELETED: "it was deleted in MLflow",
    Kind.SOURCE_CHANGED: "MLflow names other weights for it than it was told",
    Kind.WEIGHTS_CHANGED: "its weights' file is not the one that was checked",
    Kind.WEIGHTS_GONE: "its weights' file is gone",
}
MISMATCH = "the weights at its address do not have the SHA-256 that it was registered with"


def faults_of(session: Session, model: Model, version: ModelVersion) -> list[str]:
    """What is known to be wrong with a version, in words; a moved alias is no fault of it."""
    mismatch = [MISMATCH] if version.artifact_state == "mismatch" else []
    return [*mismatch, *_deviating(repository.open_deviations(session, model), version.version)]


def check_integrity(session: Session, model: Model, promotion: Promotion) -> None:
    """Refuse a promotion of the model whose candidate is not as it was registered.

    Raises:
        NotAsRegisteredError: saying what is wrong.
    """
    if faults := faults_of_candidate(session, model, promotion):
        raise NotAsRegisteredError(promotion.candidate, faults)


def faults_of_candidate(session: Session, model: Model, promotion: Promotion) -> list[str]:
    """`faults_of` the version that a promotion is of."""
    return faults_of(session, model, repository.candidate_of(session, promotion))


def _deviating(deviations: list[Deviation], version: str) -> Iterator[str]:
    for one in deviations:
        if one.kind == Kind.TAG_CHANGED and one.version == version:
            yield f"its tag {one.key} was changed in MLflow"
        elif one.kind == Kind.MODEL_DELETED or (one.kind in _TOLD and one.version == version):
            yield _TOLD[Kind(one.kind)]
