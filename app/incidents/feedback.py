"""What people say of incidents, by detector and subject, and what policy would follow from it.

A proposal is never applied: it says what change of policy would have spared the false alarms, and
what else that change would have missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10

from sqlmodel import Session

from app.core import clock
from app.federations.tables import Federation
from app.incidents import figures_repository as repository
from app.incidents.figures_repository import CONFIRMED, Judged
from app.incidents.states import Resolution
from app.incidents.tables import FalseAlarm, Incident

PROPOSE = "incidents.propose"  # what follows from a false alarm
LEAST_FALSE_ALARMS, LEAST_SHARE = 3, 0.5
MARGIN = 1.1  # the proposed effect over the largest that was a false alarm
DISTANCES = frozenset({"energy", "wasserstein"})  # these share one threshold over all subjects


@dataclass(frozen=True)
class Proposal:
    """A change of policy, with what it would have done to the incidents that people resolved."""

    field: str
    before: float
    after: float
    false_alarms_spared: int
    incidents_missed: int


@dataclass(frozen=True)
class Feedback:
    """How often one detector's word on one subject was a false alarm, of the resolved incidents."""

    model: str
    detector: str
    subject: str
    incidents: int
    false_alarms: int
    proposal: Proposal | None

    @property
    def share(self) -> float:
        """Of the incidents that people resolved, how many were false alarms."""
        return self.false_alarms / self.incidents


def note(session: Session, incident: Incident, actor: str) -> None:
    """Store that an incident was a false alarm, for each detector and subject that raised it."""
    for judged in repository.evidence_on(session, incident):
        session.add(
            FalseAlarm(
                incident_id=incident.id,
                detector=judged.detector,
                subject=judged.subject,
                federation_id=incident.federation_id,
                model=incident.model,
                scope=incident.scope,
                effect=judged.effect,
                threshold=judged.threshold,
                at=clock.now(),
                by=actor,
            )
        )


def of_federation(session: Session, federation: Federation) -> list[Feedback]:
    """What people said of every detector and subject, the most false alarms first."""
    groups: dict[tuple[str, str, str], list[Judged]] = {}
    of_subject: dict[str, list[Judged]] = {}
    for judged in repository.judged_by_people(session, federation.id):
        groups.setdefault((judged.model, judged.detector, judged.subject), []).append(judged)
        if judged.detector not in DISTANCES and judged.threshold > 0:
            of_subject.setdefault(judged.subject, []).append(judged)
    found = [_feedback(*key, judged, of_subject.get(key[-1], [])) for key, judged in groups.items()]
    return sorted(found, key=lambda one: (-one.false_alarms, one.model, one.subject, one.detector))


def _feedback(
    model: str, detector: str, subject: str, judged: Sequence[Judged], alike: Sequence[Judged]
) -> Feedback:
    """`alike` is what shares the subject's effect in the policy: of every model and detector."""
    false = _false(judged)
    often = len(false) >= LEAST_FALSE_ALARMS and len(false) >= LEAST_SHARE * len(judged)
    proposable = often and any(one in alike for one in judged)
    return Feedback(
        model=model,
        detector=detector,
        subject=subject,
        incidents=len(judged),
        false_alarms=len(false),
        proposal=_proposal(subject, alike) if proposable else None,
    )


def _proposal(subject: str, alike: Sequence[Judged]) -> Proposal | None:
    """Ask for a little more than the largest effect that was a false alarm.

    Never for as much as an incident had that a person confirmed: then for less than that, if it
    still spares most of the false alarms.
    """
    false = _false(alike)
    confirmed = [one.effect for one in alike if one.resolution in CONFIRMED]
    before, after = (
        max(one.threshold for one in alike),
        _rounded_up(MARGIN * max(one.effect for one in false)),
    )
    if confirmed and min(confirmed) < after:
        after = _rounded_down(min(confirmed))
    spared = sum(one.effect < after for one in false)
    if after <= before or spared < max(LEAST_FALSE_ALARMS, LEAST_SHARE * len(false)):
        return None
    return Proposal(
        field=f"drift.subjects.{subject}.effect",
        before=before,
        after=after,
        false_alarms_spared=spared,
        incidents_missed=sum(effect < after for effect in confirmed),
    )


def _false(judged: Iterable[Judged]) -> list[Judged]:
    return [one for one in judged if one.resolution == Resolution.FALSE_ALARM]


def _rounded_down(effect: float) -> float:
    """That number or the last below it of two significant digits."""
    unit = 10.0 ** (floor(log10(effect)) - 1)
    return float(f"{unit * floor(effect / unit * (1 + 1e-12)):.2g}")


def _rounded_up(effect: float) -> float:
    """The next number of two significant digits, so that a person can read it."""
    unit = 10.0 ** (floor(log10(effect)) - 1)
    return float(f"{unit * (floor(effect / unit) + 1):.2g}")
