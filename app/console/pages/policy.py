"""The policy's page: the document as YAML, its history, and what another one would change."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.federations import service as federations
from app.federations.errors import PolicyTooLargeError
from app.federations.policy import Change, Policy, changes, document_of
from app.federations.policy.yaml_text import PolicyTextError, read, write
from app.federations.tables import Federation, PolicyVersion
from app.incidents import trying
from app.incidents.tables import PolicyTrial

VERSIONS = 20


@dataclass(frozen=True)
class PolicyTry:
    """A policy that somebody wrote: its faults, or what it would change."""

    text: str
    faults: Sequence[str] = ()
    policy: Policy | None = None
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class PolicyPage:
    """All that the page shows; `text` is the form's."""

    federation: Federation
    document: str
    versions: Sequence[PolicyVersion]
    tried: PolicyTry | None
    trial: PolicyTrial | None  # its backtest; without one tried, the newest there is

    @property
    def text(self) -> str:
        """What was tried, or else what is in force."""
        return self.tried.text if self.tried else self.document

    @property
    def waits(self) -> bool:
        """Whether it is the page of a backtest that is not over."""
        return self.tried is not None and self.trial is not None and self.trial.ended_at is None


def policy_page(
    session: Session,
    federation: Federation,
    tried: PolicyTry | None = None,
    trial: PolicyTrial | None = None,
) -> PolicyPage:
    """Gather the page."""
    document = write(document_of(federations.policy_of(federation)))
    versions = federations.policy_versions(session, federation, VERSIONS)
    if tried is None:
        trial = trying.newest(session, federation.id)
    return PolicyPage(federation, document, versions, tried, trial)


def try_out(federation: Federation, text: str) -> PolicyTry:
    """Read a policy, and compare it with the one in force."""
    try:
        _, policy = read(text.encode())
        federations.check_policy(policy)
    except PolicyTextError as error:
        return PolicyTry(text, faults=error.lines)
    except PolicyTooLargeError as error:
        return PolicyTry(text, faults=(error.message,))
    found = changes(federations.policy_of(federation), policy)
    return PolicyTry(text, policy=policy, changes=list(found))
