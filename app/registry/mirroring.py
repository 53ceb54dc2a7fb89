"""MLflow's twin of a model: the effect of the outbox task `registry.mirror_version`.

`prepare` reads what MLflow should hold, `perform` makes it so, `record` keeps what MLflow was told.
Two that run at once may leave aliases of a moment before; whoever records last sees that the model
has moved on and has it mirrored again. What somebody else has changed in MLflow meanwhile is not
overwritten, unless Vigie has to set the same thing anew; both are raised.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.ids import new_id
from app.drift import service as drift
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import deviations, repository
from app.registry.cohort_champions import former_cohorts, own_champions
from app.registry.deviations import Difference, Kind
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.tables import Model, ModelVersion
from app.registry.twins import Held, Twin, alias_of, registered_name, tags_of

MIRROR = "registry.mirror_version"
LOG_CARD = "registry.log_card"
MIRRORED_BY = "worker"


@dataclass(frozen=True)
class Wanted:
    """What MLflow should hold of a model: twins by version, and which of them has which alias.

    `told` is MLflow's number under each alias as it was told last; None: all are to be put right.
    """

    name: str
    twins: dict[str, Twin]
    aliases: dict[str, str | None]
    told: dict[str, str] | None
    epoch: int


@dataclass(frozen=True)
class Mirrored:
    """What MLflow holds since: each version, and the aliases' numbers, before and after."""

    wanted: Wanted
    held: dict[str, Held]
    found: dict[str, str]
    aliases: dict[str, str | None]


def prepare(session: Session, version_id: UUID) -> Wanted | None:
    """What MLflow should hold once it has this version."""
    version = repository.version_with_id(session, version_id)
    if version is None:
        return None
    model = repository.model_with_id(session, version.model_id)
    return wanted_of(session, model, {version.version})


def perform(registry: MlflowRegistry, wanted: Wanted) -> Mirrored:
    """Make the twins that are missing and set the aliases; done twice it changes nothing."""
    held = {version: registry.ensure_version(twin) for version, twin in wanted.twins.items()}
    aliases = {
        alias: None if version is None else held[version].number
        for alias, version in wanted.aliases.items()
    }
    return Mirrored(wanted, held, registry.align(wanted.name, aliases, wanted.told), aliases)


def record(session: Session, version_id: UUID, mirrored: Mirrored) -> None:
    """Keep what MLflow was told; if the model has moved on meanwhile, have it mirrored again."""
    version = repository.version_with_id(session, version_id)
    assert version is not None  # versions are never deleted, and `prepare` found it
    settle(session, repository.locked_model(session, version.model_id), mirrored)


def wanted_of(session: Session, model: Model, also: Collection[str] = ()) -> Wanted | None:
    """What MLflow should hold of a model as it is, with the twins of `also` beside."""
    return wanted_with(session, model, model.champion, model.canary, also)


def wanted_with(
    session: Session,
    model: Model,
    champion: str | None,
    canary: str | None,
    also: Collection[str] = (),
    crowned: Mapping[str, str] | None = None,
) -> Wanted | None:
    """What MLflow should hold if these were champion and canary; None before there is any.

    `crowned` are champions of cohorts that are to be; the others are as they are.
    """
    if champion is None:
        return None
    federation = federations.get(session, model.federation_id)
    aliases = _aliases(session, model, champion, canary, crowned or {})
    names = {*also, *filter(None, aliases.values())}
    if model.mirrored is None:
        names |= repository.deviating_versions(session, model)
    return Wanted(
        name=registered_name(federation.name, model.name),
        twins=_twins(session, federation, model, names),
        aliases=aliases,
        told=model.mirrored,
        epoch=model.mirror_epoch,
    )


def _aliases(
    session: Session,
    model: Model,
    champion: str | None,
    canary: str | None,
    crowned: Mapping[str, str],
) -> dict[str, str | None]:
    """The version under each alias; None where there is to be no such alias any more."""
    former: dict[str, str | None] = dict.fromkeys(former_cohorts(session, model))
    own = {**former, **own_champions(session, model), **crowned}
    of_cohorts = {
        alias_of(cohort): None if version == champion else version
        for cohort, version in own.items()
    }
    return {"champion": champion, "canary": canary, **of_cohorts}


def _twins(
    session: Session, federation: Federation, model: Model, names: Collection[str]
) -> dict[str, Twin]:
    tags = expected_tags(session, federation, model, names)
    return {
        version.version: Twin(
            name=registered_name(federation.name, model.name),
            version_id=str(version.id),
            weights_sha256=version.weights_sha256,
            artifact_uri=version.artifact_uri,
            note=version.note,
            tags=tags[version.version],
            told=None if model.mirrored is None else version.mirrored_tags,
            told_source=version.mirrored_source,
        )
        for version in repository.versions_named(session, model, names)
    }


def expected_tags(
    session: Session, federation: Federation, model: Model, names: Collection[str]
) -> dict[str, dict[str, str]]:
    """The tags that MLflow should have of these versions, by version."""
    references = drift.references_of(session, federation.id, model.name)[::-1]
    runs = repository.mlflow_runs(session, model)
    return {
        version.version: tags_of(
            federation,
            model,
            version,
            [one for one in references if one.version == version.version],
            runs.get(version.run),
        )
        for version in repository.versions_named(session, model, names)
    }


def settle(session: Session, model: Model, mirrored: Mirrored) -> None:
    """Keep what was told of a locked model; mirror again what has moved on."""
    keep_numbers(session, model, mirrored)
    if mirrored.wanted.aliases != _aliases(session, model, model.champion, model.canary, {}):
        mirror_again(session, model)
    elif mirrored.wanted.epoch == model.mirror_epoch:
        told = {alias: number for alias, number in mirrored.aliases.items() if number is not None}
        model.mirrored, model.mirrored_at = told, clock.now()
        session.add(model)


def keep_numbers(session: Session, model: Model, mirrored: Mirrored) -> None:
    """Note what MLflow has of the versions, and raise what was overwritten in telling it."""
    for version in repository.versions_named(session, model, mirrored.held):
        _keep(session, model, version, mirrored.held[version.version])
    if mirrored.wanted.told is not None:
        for moved in _overwritten(mirrored.wanted.told, mirrored):
            deviations.note_overwritten(session, model, moved)


def _overwritten(told: Mapping[str, str], mirrored: Mirrored) -> Iterator[Difference]:
    """The aliases that somebody had moved, and that were then set anew."""
    for alias, number in mirrored.aliases.items():
        before, found = told.get(alias), mirrored.found.get(alias)
        if found not in (before, number) and before != number:
            yield Difference(Kind.ALIAS_MOVED, "", alias, before, found)


def _keep(session: Session, model: Model, version: ModelVersion, held: Held) -> None:
    before, number = version.mlflow_version, held.number
    version.mirrored_tags, version.mirrored_source = held.tags, held.source
    version.mlflow_version = number
    session.add(version)
    if before == number:
        return
    outbox.enqueue(session, LOG_CARD, version.id, step=number)
    if before is not None and model.mirrored is not None:
        gone = Difference(Kind.VERSION_DELETED, version.version, before, before, None)
        deviations.note_overwritten(session, model, gone)
    audit.record(
        session,
        actor=MIRRORED_BY,
        action="version.mirror",
        entity=f"version:{model.name}/{version.version}",
        federation_id=model.federation_id,
        before={"mlflow_version": before},
        after={"mlflow_version": number},
    )


def mirror_again(session: Session, model: Model) -> None:
    """Ask for all that MLflow has of the model to be put right, whatever it has been told."""
    assert model.champion is not None  # a model that was mirrored has one
    champion = repository.version_named(session, model, model.champion)
    assert champion is not None  # a model's champion is one of its versions
    model.mirrored, model.mirror_epoch = None, model.mirror_epoch + 1
    session.add(model)
    outbox.enqueue(session, MIRROR, champion.id, step=str(new_id()))
