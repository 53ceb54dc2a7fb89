"""Verdicts of one cause become one incident: what belongs together, and how bad it is.

Pure decisions on verdicts; no database. A cause is a family of subjects in one scope. What drifts
in the whole federation is one cause, and its cohorts' and clients' verdicts of that family belong
to it; a cohort or client that drifts alone is a cause of its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.drift.tables import Verdict
from app.federations.policy import IncidentPolicy, Policy
from app.incidents.states import Severity

DRIFT, INSUFFICIENT = "drift", "insufficient_evidence"
PARTICIPATION = "participation"
ERRORS = frozenset({"log_loss", "error_rate", "forgetting"})  # which are better the lower they are


@dataclass(frozen=True)
class Cause:
    """What an incident is about."""

    family: str
    scope: str
    scope_key: str

    def key(self, model: str) -> str:
        """The text that makes an incident's cause unique within a federation."""
        return f"{model}/{self.family}/{self.scope}/{self.scope_key}"


@dataclass(frozen=True)
class Evidence:
    """What a round says for a cause: its drifting verdicts, the strongest first.

    Of `clients_judged` on the strongest subject, `clients_moved` counts those in which it moved the
    same way by a practical effect, `clients_drifting` those in which it is a drift of its own.
    """

    cause: Cause
    verdicts: Sequence[Verdict]
    absorbed: Sequence[Verdict]
    clients_moved: int
    clients_drifting: int
    clients_judged: int

    @property
    def behind(self) -> Sequence[Verdict]:
        """Every verdict that is evidence: the cause's own, and the narrower ones it absorbs."""
        return [*self.verdicts, *self.absorbed]

    @property
    def strongest(self) -> Verdict:
        """The verdict that passes its threshold by the most."""
        return self.verdicts[0]

    @property
    def ratio(self) -> float:
        """How many times its practical threshold the strongest effect is."""
        return ratio_of(self.strongest)

    @property
    def improves(self) -> bool:
        """Whether the model errs less than it did: what moved is its errors, and they fell."""
        errors = [verdict.effect or 0.0 for verdict in self.verdicts if verdict.subject in ERRORS]
        return bool(errors) and max(errors) < 0

    def severity(self, policy: Policy, model: str) -> Severity:
        """Critical for a large effect in the whole federation, unless the policy says otherwise.

        Who takes part only informs, and so does a model that errs less.
        """
        said = policy.drift.subject(self.strongest.subject).severity
        found = self._severity(policy.incidents) if said is None else Severity(said)
        return Severity(policy.incidents.at_least(model, found.value))

    def _severity(self, policy: IncidentPolicy) -> Severity:
        if self.cause.family == PARTICIPATION or self.improves:
            return Severity.INFO
        if self.cause.scope == "federation" and self.ratio >= policy.critical_ratio:
            return Severity.CRITICAL
        return Severity.WARNING

    def title(self, onset_step: int) -> str:
        """A plain sentence for people; it names no client of a wider scope."""
        subjects = sorted({verdict.subject for verdict in self.verdicts} - {self.strongest.subject})
        more = f" and {len(subjects)} more" if subjects else ""
        where = {"federation": "", "cohort": f" in {self.cause.scope_key}"}.get(
            self.cause.scope, " at one client"
        )
        breadth = (
            f" at {self.clients_moved} of {self.clients_judged} clients"
            if self.cause.scope == "federation" and self.clients_judged
            else ""
        )
        movement = _movement(self.strongest.explanation)
        return (
            f"Drift in {self.strongest.subject}{more}{where}{breadth}"
            f" since step {onset_step}{movement}"
        )

    def document(self) -> dict[str, Any]:
        """The structured evidence that an incident keeps."""
        return {
            "subjects": [_line(verdict) for verdict in self.verdicts],
            "clients_moved": self.clients_moved,
            "clients_drifting": self.clients_drifting,
            "clients_judged": self.clients_judged,
            "within_client": self.strongest.explanation.get("within_client"),
            "participation_mix": self.strongest.explanation.get("participation_mix"),
            "pooled_change": self.strongest.explanation.get("pooled_change"),
        }


def evidence_of(verdicts: Sequence[Verdict]) -> dict[Cause, Evidence]:
    """Every cause that a round's verdicts speak for, in every scope."""
    groups: dict[Cause, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome == DRIFT:
            cause = Cause(verdict.family, verdict.scope, verdict.scope_key)
            groups.setdefault(cause, []).append(verdict)
    return {cause: _evidence(cause, group, verdicts) for cause, group in groups.items()}


def openable(
    causes: Mapping[Cause, Evidence], policy: IncidentPolicy, covered: Collection[str] = ()
) -> list[Evidence]:
    """The causes that may open an incident: in the policy's scopes, and part of no wider one.

    `covered` are the families with an open incident of the whole federation: what still drifts in
    a cohort while that one subsides is part of it.
    """
    federation_wide = {cause.family for cause in causes if cause.scope == "federation"}
    federation_wide = federation_wide.union(covered) if "federation" in policy.scopes else set()
    return [
        evidence
        for cause, evidence in causes.items()
        if cause.scope in policy.scopes
        and (cause.scope == "federation" or cause.family not in federation_wide)
    ]


def speaks_of(verdicts: Iterable[Verdict], cause: Cause) -> bool:
    """Whether a round was able to say anything about a cause."""
    return any(
        verdict.outcome != INSUFFICIENT
        and (verdict.family, verdict.scope, verdict.scope_key)
        == (cause.family, cause.scope, cause.scope_key)
        for verdict in verdicts
    )


def ratio_of(verdict: Verdict) -> float:
    """How many times its practical threshold a verdict's effect is."""
    return abs(verdict.effect or 0.0) / verdict.threshold if verdict.threshold else 0.0


def _evidence(cause: Cause, group: list[Verdict], verdicts: Sequence[Verdict]) -> Evidence:
    strongest_first = sorted(group, key=lambda v: (-ratio_of(v), v.subject, v.detector))
    told = strongest_first[0].explanation
    return Evidence(
        cause=cause,
        verdicts=strongest_first,
        absorbed=_absorbed(cause, verdicts),
        clients_moved=int(told.get("clients_moved", 0)),
        clients_drifting=int(told.get("clients_drifting", 0)),
        clients_judged=int(told.get("clients_judged", 0)),
    )


def _absorbed(cause: Cause, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The narrower drift that belongs to a cause of the whole federation."""
    if cause.scope != "federation":
        return []
    return [
        verdict
        for verdict in verdicts
        if verdict.outcome == DRIFT
        and verdict.family == cause.family
        and verdict.scope != "federation"
    ]


def _movement(explanation: Mapping[str, Any]) -> str:
    within, mix = explanation.get("within_client"), explanation.get("participation_mix")
    if within is None or mix is None:
        return ""
    return ", within-client" if abs(within) >= abs(mix) else ", mostly a change of who takes part"


def _line(verdict: Verdict) -> dict[str, Any]:
    return {
        "subject": verdict.subject,
        "detector": verdict.detector,
        "effect": verdict.effect,
        "effect_unit": verdict.effect_unit,
        "threshold": verdict.threshold,
        "statistic": verdict.statistic,
        "p_value": verdict.p_value,
        "q_value": verdict.q_value,
        "minimum_detectable_effect": verdict.minimum_detectable_effect,
    }
