"""What a round says for one cause: how bad it is, what it is called, and what is kept of it.

Pure decisions on verdicts; no database. Which verdicts are of one cause is said in `causes.py`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.drift.tables import Verdict
from app.federations.policy import Policy
from app.incidents.severity import Weighed, ratio_of, weigh
from app.incidents.states import Severity

DRIFT, INSUFFICIENT = "drift", "insufficient_evidence"
PARTICIPATION = "participation"
ERRORS = frozenset({"log_loss", "error_rate", "forgetting"})  # which are better the lower they are
COUNTED = ("moved", "drifting", "judged")


@dataclass(frozen=True)
class Evidence:
    """What a round says for one cause: its drifting verdicts, and those that drift beside it.

    `verdicts` are in the cause's own scope, the one that passes its threshold by the most first.
    `led_by` is the subject that it is named by.
    """

    scope: str
    scope_key: str
    led_by: str
    verdicts: Sequence[Verdict]
    beside: Sequence[Verdict]

    @property
    def behind(self) -> Sequence[Verdict]:
        """Every verdict that is evidence."""
        return [*self.verdicts, *self.beside]

    @property
    def strongest(self) -> Verdict:
        """The verdict that passes its threshold by the most."""
        return self.verdicts[0]

    @property
    def lead(self) -> Verdict:
        """The strongest verdict on the subject that it is named by."""
        return next((one for one in self.verdicts if one.subject == self.led_by), self.strongest)

    @property
    def ratio(self) -> float:
        """How many times its practical threshold the strongest effect is."""
        return ratio_of(self.strongest)

    @property
    def improves(self) -> bool:
        """Whether the model errs less than it did: what moved is its errors, and they fell."""
        errors = [verdict.effect or 0.0 for verdict in self.verdicts if verdict.subject in ERRORS]
        return bool(errors) and max(errors) < 0

    def weighed(self, policy: Policy, criticality: str) -> Weighed:
        """What speaks for it being serious."""
        return weigh(self.strongest, policy.incidents, criticality)

    def severity(self, policy: Policy, model: str, criticality: str) -> Severity:
        """By effect, breadth, confidence and criticality, unless the policy says otherwise.

        Who takes part only informs, and so does a model that errs less.
        """
        said = policy.drift.subject(self.strongest.subject).severity
        if said is not None:
            found = Severity(said)
        elif self.strongest.family == PARTICIPATION or self.improves:
            found = Severity.INFO
        else:
            found = self.weighed(policy, criticality).severity
        return Severity(policy.incidents.at_least(model, found.value))

    def title(self, onset_step: int) -> str:
        """A plain sentence for people; it names no client of a wider scope."""
        wider = (one for one in self.beside if one.scope == "federation")
        others = {one.subject for one in (*self.verdicts, *wider)} - {self.lead.subject}
        more = f" and {len(others)} more" if others else ""
        moved, judged = self._told("clients_moved"), self._told("clients_judged")
        wide = self.scope == "federation" and judged
        breadth = f" at {moved} of {judged} clients" if wide else ""
        return (
            f"Drift in {self.lead.subject}{more}{self._where()}{breadth}"
            f" since step {onset_step}{_movement(self.lead.explanation)}"
        )

    def document(self) -> dict[str, Any]:
        """The structured evidence that an incident keeps."""
        told = self.lead.explanation
        return {
            "subjects": [_line(verdict) for verdict in self.verdicts],
            **{f"clients_{what}": self._told(f"clients_{what}") for what in COUNTED},
            "within_client": told.get("within_client"),
            "participation_mix": told.get("participation_mix"),
            "pooled_change": told.get("pooled_change"),
        }

    def _told(self, what: str) -> int:
        """What the lead says of how many clients; 0 where it says nothing."""
        return int(self.lead.explanation.get(what, 0))

    def _where(self) -> str:
        if self.scope == "federation":
            return ""
        others = {one.scope_key for one in self.beside if one.scope == self.scope}
        others -= {self.scope_key}
        if self.scope == "client":
            return f" at {len(others) + 1} clients" if others else " at one client"
        return f" in {self.scope_key}" + (f" and {len(others)} more cohorts" if others else "")


def evidence_of(
    place: tuple[str, str], verdicts: Iterable[Verdict], feature: str | None
) -> Evidence:
    """A cause's drift as evidence; it is named by its one feature, else by what moved most.

    What drifts in its own place comes first; without anything there, what drifts elsewhere.
    """
    found = sorted(verdicts, key=lambda one: (-ratio_of(one), one.subject, one.detector))
    own = [one for one in found if (one.scope, one.scope_key) == place] or found
    traced = next((one.subject for one in own if one.subject == feature), None)
    beside = [one for one in found if one not in own]
    return Evidence(*place, traced or own[0].subject, own, beside)


def speaks_of(verdicts: Iterable[Verdict], places: Collection[tuple[str, str, str]]) -> bool:
    """Whether a round was able to say anything in one of these scopes, keys and families."""
    return any(
        verdict.outcome != INSUFFICIENT
        and (verdict.scope, verdict.scope_key, verdict.family) in places
        for verdict in verdicts
    )


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
