"""The kinds of subjects that can be judged, and the unit in which each one's effect is stated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

PROBABILITY, NATS, NUMBER, RATIO = "probability", "nats per example", "1", "ratio"
_NAME = re.compile(r"([a-z_]{1,40})(?::([A-Za-z0-9][A-Za-z0-9._ -]{0,62}))?")


class Shape(StrEnum):
    """What a subject is in one round, which decides what can test it."""

    RATE = "rate"  # one number
    ORDERED = "ordered"  # counts on bins along a line
    CATEGORIES = "categories"  # counts of categories


@dataclass(frozen=True)
class Kind:
    """A kind of subject.

    `unit` is that of its effects. A `ratio` is the change over the reference's own level, for what
    has no level that suits all models: 0.5 is half as much again, or half. A kind that `has_parts`
    is one subject for each: `feature:hour`, `label:late`. One without shapes is judged in a way of
    its own, which no policy can choose.
    """

    unit: str
    shapes: frozenset[Shape]
    has_parts: bool = False


def _rate(unit: str, *, has_parts: bool = False) -> Kind:
    return Kind(unit, frozenset({Shape.RATE}), has_parts)


def _distribution(*shapes: Shape, has_parts: bool = False) -> Kind:
    return Kind(PROBABILITY, frozenset(shapes), has_parts)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "log_loss": _rate(NATS),
        "error_rate": _rate(PROBABILITY),
        "label": _rate(PROBABILITY, has_parts=True),
        "score": _distribution(Shape.ORDERED),
        "prediction": _distribution(Shape.CATEGORIES),
        "feature": _distribution(Shape.ORDERED, Shape.CATEGORIES, has_parts=True),
        "calibration": _rate(PROBABILITY),
        "calibration_ratio": Kind(RATIO, frozenset()),
        "participation": _rate(PROBABILITY),
        "error_share": _rate(PROBABILITY),
        "latency_ms": _rate(RATIO),
        "train_ms": _rate(RATIO),
        "peak_mb": _rate(RATIO),
        "update_norm": _rate(RATIO),
        "update_cosine": _rate(NUMBER),
        "consensus_distance": _rate(NUMBER),
        "rejected_technical": _rate(PROBABILITY),
        "rejected_functional": _rate(PROBABILITY),
        "skew": _distribution(Shape.ORDERED, Shape.CATEGORIES, has_parts=True),
        "forgetting": _rate(NATS, has_parts=True),
    }
)


class UnknownSubjectError(LookupError):
    """A name that no subject can have."""

    def __init__(self) -> None:
        names = ", ".join(
            f"{name}[:...]" if kind.has_parts else name for name, kind in KINDS.items()
        )
        super().__init__(f"No subject can have this name. Known: {names}.")


def kind_of(subject: str) -> str:
    """The kind in a subject's name: `feature` of `feature:hour`.

    Raises:
        UnknownSubjectError: if there is none of that kind, or that kind has no parts.
    """
    match = _NAME.fullmatch(subject)
    kind = KINDS.get(match[1]) if match else None
    if match is None or kind is None or (match[2] and not kind.has_parts):
        raise UnknownSubjectError
    return match[1]
