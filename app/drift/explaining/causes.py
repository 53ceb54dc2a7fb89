"""What drifts in a round: a subject in a scope each, the strongest first, and which are explained.

What an incident shows is the explanation of the strongest of its family in its scope, so those come
first, and they alone say which clients moved alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.drift.findings import Finding
from app.drift.scopes import Scope
from detectors import Outcome

MOST = 24  # causes that are explained in a round


@dataclass(frozen=True)
class Cause:
    """A subject that drifts in a scope, by the strongest finding on it.

    `leads` says that nothing of its family drifts more in the scope.
    """

    finding: Finding
    leads: bool

    @property
    def subject(self) -> str:
        """What drifts."""
        return self.finding.subject

    @property
    def scope(self) -> Scope:
        """Where it does."""
        return self.finding.scope


def causes_of(findings: Iterable[Finding]) -> list[Cause]:
    """The causes to explain: of each family and scope the strongest first, and then the others."""
    strongest: dict[tuple[str, Scope], Finding] = {}
    for finding in findings:
        if finding.outcome is Outcome.DRIFT:
            key = (finding.subject, finding.scope)
            known = strongest.get(key)
            if known is None or _ratio(finding) > _ratio(known):
                strongest[key] = finding
    ordered = sorted(strongest.values(), key=lambda one: (-_ratio(one), one.subject))
    leading: dict[tuple[str, Scope], Finding] = {}
    for finding in ordered:
        leading.setdefault((finding.family, finding.scope), finding)
    leads = list(leading.values())
    others = [finding for finding in ordered if finding not in leads]
    return [
        *(Cause(finding, leads=True) for finding in leads),
        *(Cause(finding, leads=False) for finding in others),
    ][:MOST]


def _ratio(finding: Finding) -> float:
    """How many times what matters it moved."""
    return abs(finding.effect or 0.0) / finding.threshold if finding.threshold else 0.0
