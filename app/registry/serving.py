"""Which version serves whom, as FL servers ask."""

from collections.abc import Collection

from sqlmodel import Session

from app.federations.tables import Federation
from app.registry import cohort_champions
from app.registry.errors import NoVersionError
from app.registry.promotion_schemas import ServingOut
from app.registry.versions import model_named

ALIAS = "champion"


def serving(
    session: Session, federation: Federation, model_name: str, cohorts: Collection[str]
) -> ServingOut:
    """The version for a client of these cohorts, and every alias with its version.

    Raises:
        NotFoundError: if the federation has no such model.
        NoVersionError: if the model has no version yet.
    """
    model = model_named(session, federation.id, model_name)
    if model.champion is None:
        raise NoVersionError(model_name)
    version, cohort = cohort_champions.serving(session, model, cohorts)
    own = cohort_champions.own_champions(session, model)
    aliases = {ALIAS: model.champion, **{_alias(name): one for name, one in own.items()}}
    return ServingOut(version=version, alias=_alias(cohort), cohort=cohort, champions=aliases)


def _alias(cohort: str) -> str:
    return f"{ALIAS}.{cohort}" if cohort else ALIAS
