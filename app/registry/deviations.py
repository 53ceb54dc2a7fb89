"""Deviations: where MLflow's registry is not as Vigie told it to be; audited and raised."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.registry import repository
from app.registry.tables import Deviation, Model
from app.registry.twins import Held

ANNOUNCE = "incidents.announce_deviation"
NOTICED_BY = "reconciliation"
CHAMPION, CANARY = "champion", "canary"
MOST_SHOWN = 200  # characters of a value that somebody put into MLflow


class Kind(StrEnum):
    """What is not as it should be."""

    MODEL_DELETED = "model_deleted"
    VERSION_DELETED = "version_deleted"
    ALIAS_MOVED = "alias_moved"
    TAG_CHANGED = "tag_changed"
    SOURCE_CHANGED = "source_changed"
    WEIGHTS_CHANGED = "weights_changed"  # the file is not the one that was checked
    WEIGHTS_GONE = "weights_gone"


class Resolution(StrEnum):
    """How a deviation ended."""

    REPAIRED = "repaired"  # Vigie put it right, as somebody or the policy asked
    OVERWRITTEN = "overwritten"  # Vigie had to set the same thing anew
    REVERTED = "reverted"  # somebody undid it in MLflow


@dataclass(frozen=True)
class Difference:
    """One difference: `expected` as it was told, `found` as MLflow has it; None for nothing."""

    kind: Kind
    version: str
    key: str
    expected: str | None
    found: str | None

    @property
    def severity(self) -> str:
        """Critical where the wrong weights may be served or the right ones are gone."""
        harmless = self.kind is Kind.TAG_CHANGED or (
            self.kind is Kind.ALIAS_MOVED and not self.key.startswith(CHAMPION)
        )
        return "warning" if harmless else "critical"


@dataclass(frozen=True)
class Seen:
    """What MLflow has under a model's name; `aliases` is None where it has no such model."""

    aliases: dict[str, str] | None
    versions: dict[str, Held]


def differences(
    aliases: Mapping[str, str], versions: Mapping[str, Held], seen: Seen
) -> Iterator[Difference]:
    """How MLflow differs from what it was told: numbers by alias, and twins by version.

    A version that is gone takes its aliases with it: that is one difference.
    """
    if seen.aliases is None:
        yield Difference(Kind.MODEL_DELETED, "", "", "a registered model", None)
        return
    gone = {held.number for held in versions.values() if held.number not in seen.versions}
    for alias in sorted(set(aliases) | {alias for alias in seen.aliases if _is_ours(alias)}):
        expected, found = aliases.get(alias), seen.aliases.get(alias)
        if expected != found and not (found is None and expected in gone):
            yield Difference(Kind.ALIAS_MOVED, "", alias, expected, found)
    for version, held in versions.items():
        if held.number in gone:
            yield Difference(Kind.VERSION_DELETED, version, held.number, held.number, None)
        else:
            yield from _changed(version, held, seen.versions[held.number])


def _is_ours(alias: str) -> bool:
    """Whether an alias is one that Vigie decides on."""
    return alias in (CHAMPION, CANARY) or alias.startswith(f"{CHAMPION}-")


def _changed(version: str, told: Held, seen: Held) -> Iterator[Difference]:
    if told.source != seen.source:
        yield Difference(Kind.SOURCE_CHANGED, version, "source", told.source, seen.source)
    for key, value in told.tags.items():
        if seen.tags.get(key) != value:
            yield Difference(Kind.TAG_CHANGED, version, key, value, seen.tags.get(key))


def note(session: Session, model: Model, found: Collection[Difference]) -> list[Deviation]:
    """Raise what was not known of a locked model, and end what is no more; return what is new."""
    known = {_key(one): one for one in repository.open_deviations(session, model)}
    now = {(one.kind.value, one.version, one.key): one for one in found}
    for key, deviation in known.items():
        if key not in now:
            _end(session, model, deviation)
        elif deviation.found != _short(now[key].found):
            deviation.found = _short(now[key].found)
            session.add(deviation)
    return [_raise(session, model, one) for key, one in now.items() if key not in known]


def raise_once(session: Session, model: Model, found: Difference) -> None:
    """Raise a difference of a locked model unless it is known."""
    known = {_key(one) for one in repository.open_deviations(session, model)}
    if (found.kind.value, found.version, found.key) not in known:
        _raise(session, model, found)


def note_overwritten(session: Session, model: Model, found: Difference) -> None:
    """Raise a difference that is gone already, since Vigie set the same thing anew."""
    open_ones = {_key(one): one for one in repository.open_deviations(session, model)}
    known = open_ones.get((found.kind.value, found.version, found.key))
    deviation = known or _raise(session, model, found)
    deviation.resolved_at, deviation.resolution = clock.now(), Resolution.OVERWRITTEN.value
    session.add(deviation)


def _raise(session: Session, model: Model, found: Difference) -> Deviation:
    deviation = Deviation(
        federation_id=model.federation_id,
        model_id=model.id,
        kind=found.kind.value,
        version=found.version,
        key=found.key,
        expected=_short(found.expected),
        found=_short(found.found),
        severity=found.severity,
        detected_at=clock.now(),
    )
    session.add(deviation)
    session.flush()
    _audit(session, model, deviation, NOTICED_BY, "detect")
    outbox.enqueue(session, ANNOUNCE, deviation.id)
    return deviation


def _end(session: Session, model: Model, deviation: Deviation) -> None:
    asked = deviation.repair_asked_by is not None
    resolution = Resolution.REPAIRED if asked else Resolution.REVERTED
    deviation.resolved_at, deviation.resolution = clock.now(), resolution.value
    session.add(deviation)
    _audit(session, model, deviation, NOTICED_BY, "end")


def _audit(session: Session, model: Model, one: Deviation, actor: str, verb: str) -> None:
    shown = ("kind", "version", "key", "expected", "found", "resolution")
    audit.record(
        session,
        actor=actor,
        action=f"registry.{verb}",
        entity=f"model:{model.name}",
        federation_id=model.federation_id,
        after={name: getattr(one, name) for name in shown},
    )


def _key(one: Deviation) -> tuple[str, str, str]:
    return one.kind, one.version, one.key


def _short(value: str | None) -> str | None:
    """A value as it can be kept and shown; NUL characters cannot be."""
    return None if value is None else value.replace("\x00", "")[:MOST_SHOWN]
