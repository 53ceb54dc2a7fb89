"""What drifts in a round: a subject in a scope each, the strongest first, and which are explained.

What an incident shows is the explanation of the strongest of its family in its scope, so those come
first, and they alone say which clients moved alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.drift.client_findings import DRIFT, ClientFindings
from app.drift.findings import Finding
from app.drift.known import Known
from app.drift.scopes import Scope
from detectors import Outcome

MOST = 16  # causes that are explained in a round
MOST_OF_CLIENTS = 24  # single clients' among them, beyond those


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


def causes_of_clients(decided: Sequence[ClientFindings], known: Known) -> list[Cause]:
    """The same for single clients that drift."""
    found = (_finding(one, at, known) for one in decided for at in _furthest(one))
    return causes_of(found)[:MOST_OF_CLIENTS]


def drifts_of_client(
    decided: Iterable[ClientFindings], known: Known, scope: Scope
) -> Iterator[Finding]:
    """All that drifts at one client."""
    client = scope.key.encode()
    for one in decided:
        for at in np.flatnonzero((one.clients == client) & (one.outcomes == DRIFT)).tolist():
            yield _finding(one, at, known)


def _furthest(one: ClientFindings) -> list[int]:
    """The clients that drift the furthest, of which there may be very many."""
    drifting = np.flatnonzero(one.outcomes == DRIFT)
    effects = np.abs(one.answers.effects[drifting])
    furthest: list[int] = drifting[np.argsort(-effects, kind="stable")][:MOST_OF_CLIENTS].tolist()
    return furthest


def _finding(one: ClientFindings, at: int, known: Known) -> Finding:
    weights = (known.clients == one.clients[at]).astype(np.float64)
    answers = one.answers
    return Finding(
        subject=one.subject,
        scope=Scope("client", one.clients[at].decode(), weights),
        detector=one.detector,
        outcome=Outcome.DRIFT,
        effect_unit=one.effect_unit,
        threshold=one.threshold,
        statistic=float(answers.statistics[at]),
        effect=float(answers.effects[at]),
        p_value=float(answers.p_values[at]),
        q_value=float(one.q_values[at]),
        minimum_detectable_effect=_number(answers.minimum_detectable_effects[at]),
    )


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _ratio(finding: Finding) -> float:
    """How many times what matters it moved."""
    return abs(finding.effect or 0.0) / finding.threshold if finding.threshold else 0.0
