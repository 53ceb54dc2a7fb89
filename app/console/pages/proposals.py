"""The page of what false alarms speak for: proposed changes of policy with their backtests."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.federations.tables import Federation
from app.incidents import feedback, proposals
from app.incidents.feedback import Feedback
from app.incidents.tables import PolicyProposal


@dataclass(frozen=True)
class ProposalsPage:
    """All that the page shows."""

    federation: Federation
    proposals: Sequence[PolicyProposal]
    feedback: Sequence[Feedback]


def proposals_page(session: Session, federation: Federation) -> ProposalsPage:
    """Gather the page."""
    return ProposalsPage(
        federation,
        proposals.proposals_of(session, federation),
        feedback.of_federation(session, federation),
    )
