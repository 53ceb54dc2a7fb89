"""Asking for retraining: by the policy or by a person, with the sum, the plan, and the decision."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import service as registry
from app.retraining import costs, deciding, fitting, measuring, repository
from app.retraining.aiming import Aim, aim_of
from app.retraining.deciding import BY_PERSON, Answer, RetrainAsk, Situation
from app.retraining.errors import RequestOpenError
from app.retraining.planning import plan_of
from app.retraining.records import record
from app.retraining.schemas import RequestState
from app.retraining.tables import RetrainingDecision, RetrainRequest
from app.retraining.worth import Cost, Gain, Worth, cost_in_words, expected_share, worth
from app.rounds import service as rounds

BY_POLICY = "policy"
ANNOUNCE = "incidents.announce_request"  # people and FL servers are told of a request


def consider(session: Session, federation: Federation, ask: RetrainAsk) -> RetrainRequest | None:
    """Ask for retraining if the federation's policy says so; None if it does not.

    The decision is kept, with the sum that it rests on. Where an earlier version fits, or the cost
    wants a person's yes, the request is `proposed` and nobody can claim it.
    """
    policy = federations.policy_of(federation)
    found = deciding.refusal(Situation(session, federation, policy.retraining, ask))
    if found is not None:
        _note(session, federation, ask, found.answer, found.why)
        return None
    proposal = _roll_back(session, federation, ask)
    sum_ = expected_worth(session, federation, ask)
    if proposal is None:
        spent = deciding.of_this_week(session, federation, ask.model)
        found = deciding.refusal_by_worth(policy.retraining, sum_.worth, spent)
        if found is not None:
            _note(session, federation, ask, found.answer, found.why, sum_)
            return None
        yes = deciding.needs_yes(policy.retraining, sum_.cost)
        proposal = None if yes is None else {"why": yes}
    made = _make(session, federation, ask, BY_POLICY, sum_, proposal)
    if made is not None:
        answer = _answer(proposal)
        why = proposal["why"] if proposal else sum_.sentence
        _note(session, federation, ask, answer, why, sum_, made)
    return made


def by_hand(session: Session, federation: Federation, model: str, reason: str) -> RetrainAsk:
    """What a person asks for: the champion retrained on the newest rounds.

    Raises:
        NotFoundError: if the federation has no such model, or it has no version yet.
    """
    champion = registry.model_named(session, federation.id, model).champion
    if champion is None:
        raise NotFoundError("champion of", model)
    newest = rounds.recent(session, federation.id, model=model, limit=1)
    step = newest[0].global_step if newest else 0
    return RetrainAsk(model, champion, "info", "by hand", step, reason, occasion=BY_PERSON)


def request(
    session: Session, federation: Federation, ask: RetrainAsk, actor: str
) -> RetrainRequest:
    """Ask for retraining because a person wants it, which also allows another try.

    Raises:
        RequestOpenError: while a request for the model is open.
    """
    made = _make(session, federation, ask, actor, expected_worth(session, federation, ask), None)
    if made is None:
        raise RequestOpenError(ask.model)
    last = repository.newest_outcome(session, federation.id, ask.model)
    if last is not None and last.allowed_at is None:
        last.allowed_by, last.allowed_at = actor, clock.now()
        session.add(last)
    return made


@dataclass(frozen=True)
class Sum:
    """What training those aimed at is worth; the cost may be known where the gain is not."""

    aim: Aim
    cost: Cost
    worth: Worth | None

    @property
    def sentence(self) -> str:
        """In words."""
        told = self.document()["sentence"]
        return str(told)

    def document(self) -> dict[str, Any]:
        """As it is kept and shown."""
        if self.worth is not None:
            return self.worth.document()
        cost = {"client_seconds": self.cost.client_seconds, "bytes": self.cost.bytes}
        cost |= {"watt_hours": self.cost.watt_hours, "measured_rounds": self.cost.measured_rounds}
        told = cost_in_words(self.cost)
        return {
            "cost": cost,
            "sentence": "What it saves is not known: the version's error, now or in its reference,"
            f" was not told; costs {told}.",
        }


def expected_worth(session: Session, federation: Federation, ask: RetrainAsk) -> Sum:
    """What retraining is expected to save and cost, by past rounds and retrainings of the model."""
    policy = federations.policy_of(federation)
    aim = aim_of(session, federation, ask)
    cost = costs.expected(session, federation, ask.model, policy.retraining.rounds, aim)
    newest = measuring.newest_rounds(
        session, federation.id, ask.model, ask.base_version, ask.step, policy.drift.latest_rounds
    )
    now = measuring.error_in(session, federation, newest)
    was = measuring.reference_error(session, federation, ask.model, ask.base_version)
    if now is None or was is None or now.measure != was.measure:
        return Sum(aim, cost, None)
    share = expected_share(_gains(session, federation, ask.model))
    weekly = measuring.examples_a_week(session, newest)
    return Sum(aim, cost, worth(now, was, share, weekly, cost, policy.retraining.benefit))


def _gains(session: Session, federation: Federation, model: str) -> list[Gain]:
    """What past retrainings of the model took away of their excess error."""
    found = repository.outcomes_of(session, federation.id, model)
    told = [one.measured.get("share") for one in found]
    return [Gain(share["mean"], share["sd"]) for share in told if share]


def _roll_back(session: Session, federation: Federation, ask: RetrainAsk) -> dict[str, Any] | None:
    if not federations.policy_of(federation).retraining.roll_back_first:
        return None
    fits = fitting.fitting_version(session, federation, ask.model, ask.base_version, ask.step)
    return None if fits is None else {**fits.document(), "why": fits.sentence}


def _answer(proposal: dict[str, Any] | None) -> Answer:
    if proposal is None:
        return Answer.ASKED
    return Answer.ROLL_BACK_PROPOSED if "roll_back_to" in proposal else Answer.AWAITS_APPROVAL


def _make(
    session: Session,
    federation: Federation,
    ask: RetrainAsk,
    actor: str,
    sum_: Sum,
    proposal: dict[str, Any] | None,
) -> RetrainRequest | None:
    """Make a request; None while one for the model is open, which the database itself checks."""
    at, policy = clock.now(), federations.policy_of(federation)
    made = RetrainRequest(
        federation_id=federation.id,
        model=ask.model,
        base_version=ask.base_version,
        incident_id=ask.incident_id,
        state=RequestState.REQUESTED if proposal is None else RequestState.PROPOSED,
        reason=ask.reason,
        evidence=ask.evidence,
        plan=plan_of(policy, ask, sum_.aim),
        trainees=list(sum_.aim.trainees) or None,
        benefit=sum_.document(),
        proposal=proposal,
        requested_by=actor,
        requested_step=ask.step,
        created_at=at,
        expires_at=at + timedelta(hours=policy.retraining.expire_hours),
    )
    if not repository.insert(session, made):
        return None
    record(session, made, actor, "request", None, ask.reason)
    outbox.enqueue(session, ANNOUNCE, made.id)
    return made


def _note(
    session: Session,
    federation: Federation,
    ask: RetrainAsk,
    answer: Answer,
    why: str,
    sum_: Sum | None = None,
    made: RetrainRequest | None = None,
) -> None:
    """Keep a decision, unless it is the one that was kept last on this occasion."""
    incident: UUID | None = ask.incident_id
    last = repository.newest_decision(session, federation.id, ask.model, incident)
    if made is None and last is not None and last.answer == answer:
        return
    session.add(
        RetrainingDecision(
            federation_id=federation.id,
            model=ask.model,
            incident_id=incident,
            request_id=made.id if made else None,
            step=ask.step,
            answer=answer.value,
            why=why,
            benefit=sum_.document() if sum_ else None,
            at=clock.now(),
        )
    )
