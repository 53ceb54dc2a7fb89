"""Matchers as Alertmanager writes them: what they match, and what is refused by name."""

import time

import pytest

from app.incidents import matching
from app.incidents.matching import BadMatcherError, MatchesEverythingError


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ('model="late"', "late", True),
        ('model="late"', "later", False),
        ('model!="late"', "later", True),
        ('model!="late"', "late", False),
        ('subject=~"label:.+"', "label:late", True),
        ('subject=~"label:.+"', "my label:late", False),  # the whole value, as in Alertmanager
        ('subject=~"score|hour"', "hour", True),
        ('subject!~"label:.+"', "score", True),
        ('subject!~"label:.+"', "label:late", False),
        (r'subject="a \"b\""', 'a "b"', True),
        ('  severity = "critical" ', "critical", True),
    ],
)
def test_a_matcher_holds_for_what_it_says(text: str, value: str, holds: bool) -> None:
    assert matching.parse(text).holds(value) == holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model",
        "model=late",
        'colour="red"',
        'model=="late"',
        'scope_key="c_1"',
        '{model="a"}',
    ],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(BadMatcherError):
        matching.parse(text)


@pytest.mark.parametrize("pattern", ["(a+)+b", "a{9}", "[", "a**", "a+b+c+d+", "*a", r"(.)\\1"])
def test_a_pattern_that_is_wrong_or_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(BadMatcherError):
        matching.parse(f'subject=~"{pattern}"')


def test_the_worst_pattern_that_is_taken_is_quick() -> None:
    matcher = matching.parse('subject=~".*a.*a.*b"')
    started = time.perf_counter()
    assert not matcher.holds("a" * 200)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "expressions",
    [
        [],
        ['model=~".*"'],
        ['model=~".+"'],
        ['model!=""'],
        ['family!~""'],
        ['severity=~"info|warning|critical"'],
        ['scope!="nonsense"'],
        ['model=~".*"', 'subject=~".+|x"'],
    ],
)
def test_what_matches_everything_is_refused_by_name(expressions: list[str]) -> None:
    with pytest.raises(MatchesEverythingError, match="every incident"):
        matching.require_selective([], expressions)


@pytest.mark.parametrize(
    "expressions", [['model="a"'], ['model!="a"'], ['severity!="critical"'], ['subject=~"l.*"']]
)
def test_what_says_something_is_taken(expressions: list[str]) -> None:
    matching.require_selective([], expressions)
