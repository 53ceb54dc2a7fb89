"""What is asked of explanations: keep a round's, answer for them, and forget who withdrew."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.drift import cases
from app.drift import repository as drift
from app.drift.explaining import recurring, repository
from app.drift.explaining.making import Judged, explanations_of
from app.drift.explaining.schemas import ClientShare, Fitting
from app.drift.tables import Explanation, Verdict
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.disclosure import FEDERATION, Scope

DRIFT = "drift"


def keep(session: Session, judged: Judged) -> None:
    """Keep why those of a round's subjects drift that do.

    The same rounds in the same order give the same explanations. Verdicts do not depend on them.
    """
    session.add_all(explanations_of(session, judged))
    session.flush()


def of_round(session: Session, round_id: UUID) -> list[Explanation]:
    """Why a round's subjects drift, as it is judged at present."""
    evaluation = drift.evaluation_of(session, round_id)
    return [] if evaluation is None else repository.of_evaluation(session, evaluation.id)


def of_verdict(session: Session, verdict: Verdict) -> Explanation | None:
    """Why what a verdict is on drifts; None for one that is no drift, or was not explained."""
    return repository.of_cause(
        session, verdict.round_id, verdict.subject, verdict.scope, verdict.scope_key
    )


def fitting_version(
    session: Session, federation: Federation, model: str, scope: Scope = FEDERATION
) -> Fitting | None:
    """The past version of a model that would fit its newest judged round better, and how sure.

    Better by its figures in its own reference, which the newest rounds are like in every label and
    input that drifts. None where nothing drifts, or no past reference is like it.
    """
    evaluation = repository.newest_evaluation(session, federation.id, model)
    if evaluation is None:
        return None
    round_ = rounds.get(session, federation.id, evaluation.round_id)
    reference = drift.reference_with_id(session, evaluation.reference_id)
    window = federations.policy_of(federation).drift.latest_rounds
    latest = [*cases.before(session, round_, reference, window - 1), round_]
    drifting = {
        verdict.subject
        for verdict in drift.verdicts_of(session, [round_.id])
        if verdict.outcome == DRIFT and (verdict.scope, verdict.scope_key) == scope
    }
    return recurring.fitting(session, federation, latest, reference, drifting, scope)


def forget(session: Session, federation_id: UUID, clients: Collection[str]) -> None:
    """Take clients out of all explanations: what is about one goes, and the others lose its name.

    Its part of a drift is told with that of all others together.
    """
    for client in clients:
        repository.drop_of_client(session, federation_id, client)
    for one in repository.every(session, federation_id):
        staying = [share for share in one.clients if share["client"] not in clients]
        gone = [share for share in one.clients if share["client"] in clients]
        if gone:
            named = [share for share in staying if share["client"] is not None]
            others = [*gone, *(share for share in staying if share["client"] is None)]
            one.clients = [*named, _together(others)]
            session.add(one)


def _together(shares: Collection[dict[str, Any]]) -> dict[str, Any]:
    together = ClientShare(
        client=None,
        clients=sum(share["clients"] for share in shares),
        share=sum(share["share"] for share in shares),
    )
    return together.model_dump(mode="json")
