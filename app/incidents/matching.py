"""Which incidents a silence is for: exact values, and matchers as Alertmanager writes them."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.core.errors import DomainError
from app.incidents.states import Severity
from app.incidents.tables import Incident, Silence

# Not the scope key: a pattern on it could name clients to those who may not see them.
NAMES = ("model", "version", "family", "scope", "subject", "severity")
MOST_LENGTH = 200
_WRITTEN = re.compile(r'^\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*$')
# No groups and no counted repeats: what is left takes polynomial time at worst, on short values.
_UNSAFE = re.compile(r"[(){}]|\\[1-9]|[*+?]{2}")
_MOST_REPEATS = 3
_CLOSED = {"severity": tuple(Severity), "scope": ("federation", "cohort", "client")}
_PROBES = ("\N{SNOWMAN}", "\N{COMET} x")  # what matches both of these matches everything


class BadMatcherError(DomainError):
    """A matcher that cannot be understood."""

    code = "bad_matcher"


class MatchesEverythingError(DomainError):
    """A silence for every incident there will be."""

    code = "matches_everything"

    def __init__(self) -> None:
        super().__init__(
            "These matchers match every incident. Name what is to be silent: a model, a family, a"
            " scope; to stop all notices, remove the channels."
        )


@dataclass(frozen=True)
class Matcher:
    """One condition on a field of an incident."""

    name: str
    operator: str
    value: str

    def holds(self, value: str) -> bool:
        """Whether a value meets it; a pattern has to match the whole value, as in Alertmanager."""
        if self.operator in {"=", "!="}:
            return (value == self.value) == (self.operator == "=")
        return (re.fullmatch(self.value, value) is not None) == (self.operator == "=~")


def parse(text: str) -> Matcher:
    r"""The matcher that a text such as `subject=~"label:.+"` writes.

    Raises:
        BadMatcherError: if it is none, or names no field, or its pattern could take long.
    """
    found = _WRITTEN.match(text)
    if found is None or len(text) > MOST_LENGTH:
        raise BadMatcherError('A matcher is like model="late-arrival" or subject=~"label:.+".')
    name, operator, quoted = found.groups()
    if name not in NAMES:
        raise BadMatcherError(f"An expression is on one of: {', '.join(NAMES)}.")
    value = re.sub(r"\\([\"\\])", r"\1", quoted)
    if operator in {"=~", "!~"}:
        _require_safe(value)
    return Matcher(name, operator, value)


def require_selective(exact: Collection[str], expressions: Sequence[str]) -> None:
    """Refuse matchers that say nothing; an exact value always says something.

    Raises:
        MatchesEverythingError: if every incident would match.
        BadMatcherError: if one of them cannot be understood.
    """
    parsed = [parse(text) for text in expressions]
    if not exact and all(_says_nothing(matcher) for matcher in parsed):
        raise MatchesEverythingError


def matches(silence: Silence, incident: Incident) -> bool:
    """Whether all of a silence's matchers hold for an incident."""
    return all(
        getattr(incident, name) == value for name, value in silence.matchers.items()
    ) and all(
        matcher.holds(getattr(incident, matcher.name))
        for matcher in (parse(text) for text in silence.expressions)
    )


def _says_nothing(matcher: Matcher) -> bool:
    """Whether a matcher holds for every incident."""
    if matcher.name in _CLOSED:
        return all(matcher.holds(value) for value in _CLOSED[matcher.name])
    if matcher.operator in {"!=", "!~"}:
        return not matcher.value  # no field is empty
    return all(matcher.holds(probe) for probe in _PROBES)


def _require_safe(pattern: str) -> None:
    repeats = len(re.findall(r"(?<!\\)[*+?]", pattern))
    if _UNSAFE.search(pattern) or repeats > _MOST_REPEATS:
        raise BadMatcherError(
            f"A pattern here has no groups, no counts and at most {_MOST_REPEATS} repeats;"
            " write alternatives with | and no brackets."
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise BadMatcherError("This pattern is no regular expression.") from error
