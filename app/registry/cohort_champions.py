"""Which version serves whom: the model's champion, and cohorts with champions of their own.

All cohorts with a champion of their own share one tag, so that no client is in two of them.
"""

from collections.abc import Collection

from sqlmodel import Session

from app.core import clock
from app.federations.tables import Federation
from app.registry import repository
from app.registry.errors import ManyTagsError, UnknownCohortError
from app.registry.tables import CohortChampion, Model


def champion_of(session: Session, model: Model, cohort: str = "") -> str:
    """The version that serves a cohort; the model's champion where it has none of its own."""
    assert model.champion is not None  # a model with a version has one
    found = repository.cohort_champion(session, model, cohort) if cohort else None
    return model.champion if found is None or found.version is None else found.version


def own_champions(session: Session, model: Model) -> dict[str, str]:
    """The cohorts that have a champion of their own, with its version, by name."""
    found = repository.cohort_champions(session, model)
    return {one.cohort: one.version for one in found if one.version is not None}


def former_cohorts(session: Session, model: Model) -> list[str]:
    """The cohorts that had a champion of their own and have none any more."""
    found = repository.cohort_champions(session, model)
    return [one.cohort for one in found if one.version is None]


def serving(session: Session, model: Model, cohorts: Collection[str]) -> tuple[str, str]:
    """The version for a client of these cohorts, and which of them it is the champion of.

    The cohort is empty where the model's own champion serves it.
    """
    own = own_champions(session, model)
    named = next((cohort for cohort in sorted(cohorts) if cohort in own), "")
    return own.get(named) or champion_of(session, model), named


def crown(session: Session, model: Model, cohort: str, version: str) -> None:
    """Have a version serve a cohort; where it is the model's champion, the cohort has no other."""
    found = repository.cohort_champion(session, model, cohort) or CohortChampion(
        model_id=model.id, federation_id=model.federation_id, cohort=cohort, since=clock.now()
    )
    found.version = None if version == model.champion else version
    found.since = clock.now()
    session.add(found)
    session.flush()


def check_cohort(session: Session, federation: Federation, model: Model, cohort: str) -> None:
    """Raise unless the cohort may have a champion of its own.

    Raises:
        UnknownCohortError: if its tag and value are not on the federation's allow-list.
        ManyTagsError: if other cohorts of the model are told apart by another tag.
    """
    tag, _, value = cohort.partition("=")
    if value not in federation.cohort_tags.get(tag, ()):
        raise UnknownCohortError(cohort)
    tags = {one.partition("=")[0] for one in own_champions(session, model)}
    if tags - {tag}:
        raise ManyTagsError(tag, min(tags))
