"""Changes of policy that false alarms speak for: proposed with a backtest, decided by a person."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.core.states import advance
from app.federations import service as federations
from app.federations.policy import Policy, document_of
from app.federations.policy.document import canonical
from app.federations.tables import Federation
from app.incidents import feedback, repository
from app.incidents.errors import BacktestFailedError, BacktestPendingError
from app.incidents.feedback import Feedback
from app.incidents.states import NEXT_OF_PROPOSAL, ProposalState
from app.incidents.tables import PolicyProposal

BACKTEST = "incidents.backtest_proposal"
EVER, MOST_SECONDS = "5200w", 3600.0
GROUPS = {"spared": "would spare", "opened": "would open", "same": "opened by both"}
MOST_LISTED = 50  # incidents of each kind that are kept


def on_false_alarm(session: Session, incident_id: UUID) -> None:
    """Look at what false alarms speak for, now that there is one more."""
    incident = repository.incident_with_id(session, incident_id)
    if incident is not None:
        look(session, federations.get(session, incident.federation_id), "feedback")


def look(session: Session, federation: Federation, actor: str) -> list[PolicyProposal]:
    """Propose, anew under the policy in force, what false alarms speak for; all that wait.

    What was proposed already stays, with its backtest. What a person dismissed, and less, is not
    proposed again.
    """
    for found in feedback.of_federation(session, federation):
        if found.proposal is not None and changed(federation, found) is not None:
            _propose(session, federation, found, actor)
    return repository.proposals(session, federation.id, ProposalState.PROPOSED)


def changed(federation: Federation, found: Feedback) -> Policy | None:
    """The policy with a proposal in it; None where it would be none, or changes nothing."""
    assert found.proposal is not None
    return _with_effect(federation, found.subject, found.proposal.after)


def proposals_of(
    session: Session, federation: Federation, state: ProposalState | None = None
) -> list[PolicyProposal]:
    """A federation's proposals, newest first."""
    return repository.proposals(session, federation.id, state)


def accept(
    session: Session, federation: Federation, proposal_id: UUID, why: str, actor: str
) -> PolicyProposal:
    """Put a proposal in force, under the person's name.

    Raises:
        IllegalTransitionError: if it was decided on.
        BacktestPendingError: if its backtest is not there yet.
        PolicyChangedError: if another policy is in force than the one that it was tried on.
    """
    proposal = _locked(session, federation, proposal_id)
    _decide(session, proposal, ProposalState.ACCEPTED, why, actor)
    if proposal.backtest is None:
        raise BacktestPendingError(proposal.backtest_error)
    policy = _with_effect(federation, proposal.subject, proposal.after)
    assert policy is not None, "it was proposed, and the policy is the same"
    federations.set_policy(
        session, federation, policy, actor, why=why, expected=proposal.policy_version
    )
    return proposal


def dismiss(
    session: Session, federation: Federation, proposal_id: UUID, why: str, actor: str
) -> PolicyProposal:
    """Let a proposal be.

    Raises:
        IllegalTransitionError: if it was decided on.
    """
    proposal = _locked(session, federation, proposal_id)
    _decide(session, proposal, ProposalState.DISMISSED, why, actor)
    return proposal


@dataclass(frozen=True)
class Trial:
    """A policy to be tried on a federation's history."""

    federation: str
    policy: Policy


def prepare(session: Session, proposal_id: UUID) -> Trial | None:
    """What to try; None where somebody decided already, or the policy is another one by now."""
    proposal = repository.proposal(session, proposal_id)
    if proposal is None or proposal.state != ProposalState.PROPOSED:
        return None
    federation = federations.get(session, proposal.federation_id)
    policy = _with_effect(federation, proposal.subject, proposal.after)
    return None if policy is None else Trial(federation.name, policy)


def perform(trial: Trial) -> dict[str, Any]:
    """Play the stored rounds under it, beside the service; nothing live is changed.

    In a process of its own, since the clock of one that plays history stands in the past.

    Raises:
        BacktestFailedError: with the last that it said.
        subprocess.TimeoutExpired: if it takes longer than `MOST_SECONDS`.
    """
    with tempfile.TemporaryDirectory(prefix="vigie-proposal-") as folder:
        file = Path(folder) / "policy.json"
        file.write_bytes(canonical(document_of(trial.policy)))
        command = [sys.executable, "-m", "app", "backtest", "--federation", trial.federation]
        done = subprocess.run(  # noqa: S603 - our own command; the name is a slug
            [*command, "--policy", str(file), "--from", EVER, "--json"],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    if done.returncode:
        raise BacktestFailedError(done.stderr.strip()[-500:])
    told = json.loads(done.stdout)
    groups = {name: told[words] for name, words in GROUPS.items()}
    return {
        "rounds": told["rounds"],
        "counts": {name: len(group) for name, group in groups.items()},
        **{name: group[:MOST_LISTED] for name, group in groups.items()},
    }


def record(session: Session, proposal_id: UUID, backtest: dict[str, Any]) -> None:
    """Keep what a backtest found."""
    proposal = repository.proposal(session, proposal_id)
    assert proposal is not None, "nothing removes a proposal"
    proposal.backtest, proposal.backtest_error = backtest, None
    session.add(proposal)


def give_up(session: Session, proposal_id: UUID, error: str) -> None:
    """Note that a backtest failed, and why."""
    proposal = repository.proposal(session, proposal_id)
    if proposal is not None:
        proposal.backtest_error = error
        session.add(proposal)


def _propose(session: Session, federation: Federation, found: Feedback, actor: str) -> None:
    told = found.proposal
    assert told is not None
    waiting = repository.waiting_proposal(session, federation.id, told.field)
    same = (told.after, federation.policy_version)
    if waiting is not None and (waiting.after, waiting.policy_version) == same:
        return
    if told.after <= repository.largest_dismissed(session, federation.id, told.field):
        return
    fields = {
        "federation_id": federation.id,
        "model": found.model,
        "detector": found.detector,
        "subject": found.subject,
        **vars(told),
        "policy_version": federation.policy_version,
        "proposed_at": clock.now(),
    }
    proposal = waiting or PolicyProposal(**fields)
    proposal.sqlmodel_update(fields)
    proposal.backtest = proposal.backtest_error = None
    session.add(proposal)
    session.flush()
    outbox.enqueue(session, BACKTEST, proposal.id, step="/".join(map(str, same)))
    _audit(session, proposal, "propose", actor)


def _decide(
    session: Session, proposal: PolicyProposal, target: ProposalState, why: str, actor: str
) -> None:
    proposal.state = advance("proposal", NEXT_OF_PROPOSAL, ProposalState(proposal.state), target)
    proposal.decided_at, proposal.decided_by, proposal.why = clock.now(), actor, why
    session.add(proposal)
    verb = "accept" if target is ProposalState.ACCEPTED else "dismiss"
    _audit(session, proposal, verb, actor, why)


def _audit(
    session: Session, proposal: PolicyProposal, verb: str, actor: str, why: str | None = None
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"proposal.{verb}",
        entity=f"proposal:{proposal.id}",
        federation_id=proposal.federation_id,
        after={
            "field": proposal.field,
            "before": proposal.before,
            "after": proposal.after,
            "state": proposal.state,
        },
        why=why,
    )


def _locked(session: Session, federation: Federation, proposal_id: UUID) -> PolicyProposal:
    found = repository.locked_proposal(session, federation.id, proposal_id)
    if found is None:
        raise NotFoundError("proposal", proposal_id)
    return found


def _with_effect(federation: Federation, subject: str, effect: float) -> Policy | None:
    policy = federations.policy_of(federation)
    if policy.drift.subject(subject).effect >= effect:
        return None
    document = document_of(policy)
    document["drift"]["subjects"].setdefault(subject, {})["effect"] = effect
    try:
        return Policy.model_validate(document)
    except ValidationError:  # no effect can be so large
        return None
