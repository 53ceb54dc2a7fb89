"""The pages on policies say what the code does: kinds, detectors, entries, examples."""

import re

import pytest
import yaml

from app.federations.policy import KINDS, Policy, SubjectPolicy
from app.federations.policy.catalogue import DETECTORS, USUAL, parameters
from app.federations.policy.kinds import Shape
from app.federations.policy.yaml_text import PolicyTextError, read
from tests.unit.docs.pages import code_blocks, page, table_rows

REFERENCE, HOW_TO = page("docs/reference/policy.md"), page("docs/how-to/policy.md")
WORDS = {
    frozenset({Shape.RATE}): "rate",
    frozenset({Shape.ORDERED}): "distribution",
    frozenset({Shape.CATEGORIES}): "categories",
    frozenset({Shape.ORDERED, Shape.CATEGORIES}): "distribution, or categories",
    frozenset(): "events against those promised",
}


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading this is, by their first cell."""
    (text,) = re.findall(rf"^\| {heading} \|.*?\n\n", REFERENCE, re.MULTILINE | re.DOTALL)
    rows = list(table_rows(text))
    return {row[0]: row[1:] for row in rows[1:]}


def test_every_kind_is_told_with_its_unit_and_what_it_is() -> None:
    assert {name: row[1:] for name, row in table("kind").items()} == {
        name: [kind.unit, WORDS[kind.shapes]] for name, kind in KINDS.items()
    }
    told = {name for name, row in table("kind").items() if "for each" in row[0]}
    assert told == {name for name, kind in KINDS.items() if kind.has_parts}


def test_every_detector_is_told_with_its_parameters_and_the_defaults_it_has_here() -> None:
    rows = table("detector")
    assert set(rows) == set(DETECTORS)
    for name, (judges, usual, told) in rows.items():
        entry = DETECTORS[name]
        assert ("rates" in judges) == (Shape.RATE in entry.judges), name
        assert ("distributions" in judges) == (Shape.ORDERED in entry.judges), name
        assert ("categories" in judges) == (Shape.CATEGORIES in entry.judges), name
        assert (usual == "yes") == (name in USUAL), name
        shown = re.findall(r"`(\w+)`(?: \(([\d.]+)\))?", told)
        assert [parameter for parameter, _ in shown] == list(parameters(name)), name
        defaults = {parameter: float(value) for parameter, value in shown if value}
        assert defaults == dict(entry.defaults), name


def test_every_field_of_an_entry_is_told() -> None:
    told = {cell.partition(",")[0] for cell in table("in an entry")}
    assert told == set(SubjectPolicy.model_fields)


@pytest.mark.parametrize("text", code_blocks(REFERENCE + HOW_TO, "yaml"))
def test_the_examples_are_policies_that_change_something(text: str) -> None:
    assert read(text.encode())[1] != Policy()


def test_the_mistake_that_is_shown_is_told_so() -> None:
    (example,) = code_blocks(HOW_TO, "yaml")
    with pytest.raises(PolicyTextError) as refused:
        read(example.replace("season_rounds", "seasonrounds").encode())
    assert refused.value.lines[0] in HOW_TO
    assert yaml.safe_load(example)["drift"]["subjects"]["feature:ward"] == {"judged": False}
