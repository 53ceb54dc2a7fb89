"""What a policy says of single subjects or kinds of them, and what holds for one in the end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from app.federations.policy import catalogue
from app.federations.policy.catalogue import Parameters
from app.federations.policy.effects import EffectPolicy
from app.federations.policy.kinds import KINDS, PROBABILITY, Kind, UnknownSubjectError, kind_of
from app.federations.policy.part import Effect, Fault, Parameter, PolicyPart, Severity

LONGEST_SEASON = 1_000


class SubjectPolicy(PolicyPart):
    """How one subject, or each subject of a kind, is judged; what is left out is as usual."""

    judged: bool | None = Field(default=None, description="Whether it is judged. Usually it is.")
    effect: Effect | None = Field(
        default=None,
        description="Smallest practical effect, in the subject's unit. Usually that of its kind in"
        " `drift.effects`.",
    )
    unit: str | None = Field(
        default=None,
        max_length=40,
        description="The unit that `effect` is meant in; another one than the subject's is"
        " refused.",
    )
    detectors: dict[str, dict[str, Parameter]] | None = Field(
        default=None,
        min_length=1,
        max_length=len(catalogue.DETECTORS),
        description="The detectors that judge it, by name, each with its parameters.",
    )
    season_rounds: int | None = Field(
        default=None,
        ge=2,
        le=LONGEST_SEASON,
        description="Rounds after which it comes round again, such as 7 for days in a week."
        " Usually it has no season.",
    )
    severity: Severity | None = Field(
        default=None,
        description="Severity of incidents that it is the strongest evidence of. Usually by the"
        " size of the effect.",
    )


@dataclass(frozen=True)
class ResolvedSubject:
    """How a subject is judged: its own entry, what that leaves out its kind's, then as usual.

    `effect` is in `unit`. `detectors` have their parameters by name; those that need ordered bins
    judge no categories. `season_rounds` is None without a season, `severity` where the size of the
    effect decides.
    """

    name: str
    kind: str
    judged: bool
    effect: float
    unit: str
    detectors: Mapping[str, Parameters]
    season_rounds: int | None
    severity: Severity | None


def resolve(
    name: str, subjects: Mapping[str, SubjectPolicy], effects: EffectPolicy
) -> ResolvedSubject:
    """What holds for a subject.

    Raises:
        UnknownSubjectError: if no subject can have this name.
    """
    kind = kind_of(name)
    said = _said(subjects, name, kind)
    named = said.detectors
    return ResolvedSubject(
        name=name,
        kind=kind,
        judged=said.judged is not False,
        effect=effects.of(kind) if said.effect is None else said.effect,
        unit=KINDS[kind].unit,
        detectors=catalogue.completed(named) if named else catalogue.usual(KINDS[kind].shapes),
        season_rounds=said.season_rounds,
        severity=said.severity,
    )


def _said(subjects: Mapping[str, SubjectPolicy], name: str, kind: str) -> SubjectPolicy:
    """The subject's own entry, with what it leaves out from its kind's."""
    own, usual = subjects.get(name, _NOTHING), subjects.get(kind, _NOTHING)
    merged = {
        field: getattr(usual, field) if (value := getattr(own, field)) is None else value
        for field in SubjectPolicy.model_fields
    }
    return SubjectPolicy.model_construct(**merged)


_NOTHING = SubjectPolicy()


def faults(subjects: Mapping[str, SubjectPolicy]) -> Iterator[Fault]:
    """What is wrong with entries, each under its subject's name."""
    for name, entry in subjects.items():
        try:
            kind = KINDS[kind_of(name)]
        except UnknownSubjectError as error:
            yield Fault((name,), "unknown_subject", str(error))
        else:
            for fault in _entry_faults(entry, kind):
                yield Fault((name, *fault.path), fault.code, f"{name}: {fault.message}")


def _entry_faults(entry: SubjectPolicy, kind: Kind) -> Iterator[Fault]:
    if entry.unit not in {None, kind.unit}:
        yield Fault(("unit",), "wrong_unit", f"Its effects are in {kind.unit!r}.")
    if entry.effect is not None and kind.unit == PROBABILITY and entry.effect > 1:
        yield Fault(("effect",), "effect_out_of_range", "A probability is 1 at most.")
    for fault in catalogue.faults(entry.detectors or {}, kind.shapes):
        yield Fault(("detectors", *fault.path), fault.code, fault.message)
