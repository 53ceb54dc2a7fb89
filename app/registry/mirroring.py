"""MLflow's twin of a model: the effect of the outbox task `registry.mirror_version`.

`prepare` reads what MLflow should hold, `perform` makes it so, `record` keeps MLflow's numbers. Two
that run at once may leave aliases of a moment before; whoever records last sees that the model has
moved on and has it mirrored again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import outbox
from app.core.ids import new_id
from app.federations import service as federations
from app.registry import repository
from app.registry.cohort_champions import former_cohorts, own_champions
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.tables import Model
from app.registry.twins import Twin, alias_of, registered_name, twin_of

MIRROR = "registry.mirror_version"
MIRRORED_BY = "worker"


@dataclass(frozen=True)
class Wanted:
    """What MLflow should hold of a model: twins by version, and which of them has which alias."""

    name: str
    twins: dict[str, Twin]
    champion: str
    canary: str | None
    cohorts: dict[str, str | None] = field(default_factory=dict)  # by alias; None takes it away

    @property
    def aliases(self) -> dict[str, str | None]:
        """The version under each alias."""
        return {"champion": self.champion, "canary": self.canary, **self.cohorts}


@dataclass(frozen=True)
class Mirrored:
    """What MLflow holds since: its number of each version."""

    wanted: Wanted
    numbers: dict[str, str]


def prepare(session: Session, version_id: UUID) -> Wanted | None:
    """What MLflow should hold once it has this version."""
    version = repository.version_with_id(session, version_id)
    if version is None:
        return None
    model = repository.model_with_id(session, version.model_id)
    return wanted_of(session, model, {version.version})


def perform(registry: MlflowRegistry, wanted: Wanted) -> Mirrored:
    """Make the twins that are missing and set both aliases; done twice it changes nothing."""
    numbers = {version: registry.ensure_version(twin) for version, twin in wanted.twins.items()}
    aliases = {
        alias: None if version is None else numbers[version]
        for alias, version in wanted.aliases.items()
    }
    registry.align(wanted.name, aliases)
    return Mirrored(wanted, numbers)


def record(session: Session, version_id: UUID, mirrored: Mirrored) -> None:
    """Keep MLflow's numbers; if the model has moved on meanwhile, have it mirrored again."""
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
    cohorts = cohort_aliases(session, model, champion, crowned or {})
    names = {champion, *also, *filter(None, [canary, *cohorts.values()])}
    versions = repository.versions_named(session, model, names)
    return Wanted(
        name=registered_name(federation.name, model.name),
        twins={version.version: twin_of(federation, model, version) for version in versions},
        champion=champion,
        canary=canary,
        cohorts=cohorts,
    )


def cohort_aliases(
    session: Session, model: Model, champion: str, crowned: Mapping[str, str]
) -> dict[str, str | None]:
    """Which version has each cohort's alias; None where the model's champion serves it again."""
    former: dict[str, str | None] = dict.fromkeys(former_cohorts(session, model))
    own = {**former, **own_champions(session, model), **crowned}
    return {
        alias_of(cohort): None if version == champion else version
        for cohort, version in own.items()
    }


def settle(session: Session, model: Model, mirrored: Mirrored) -> None:
    """Keep MLflow's numbers of a locked model's versions; mirror again what has moved on."""
    keep_numbers(session, model, mirrored)
    now = wanted_of(session, model)
    if now is None or now.aliases != mirrored.wanted.aliases:
        mirror_again(session, model)


def keep_numbers(session: Session, model: Model, mirrored: Mirrored) -> None:
    """Note under which numbers MLflow has the versions."""
    for version in repository.versions_named(session, model, mirrored.numbers):
        number = mirrored.numbers[version.version]
        if version.mlflow_version == number:
            continue
        before, version.mlflow_version = version.mlflow_version, number
        session.add(version)
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
    """Ask for the model's aliases to be looked at once more."""
    assert model.champion is not None  # a model that was mirrored has one
    champion = repository.version_named(session, model, model.champion)
    assert champion is not None  # a model's champion is one of its versions
    outbox.enqueue(session, MIRROR, champion.id, step=str(new_id()))
