"""A policy as YAML, read with distrust and written for people.

Read is the part of YAML that a policy needs: mappings, lists and plain values as in YAML 1.2 (`no`
is text, `1e-5` a number). Anchors and aliases, of which bombs are made, tags, and keys that come
twice are refused, and so is what nests deeper than any policy.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from app.federations.policy.document import Policy

MOST_BYTES = 256 * 1024
DEEPEST = 10
_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9][0-9]{0,39})",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)",
    "null": r"~|null|Null|NULL|",
}

# By pydantic's type of error: what a person understands at once.
_PLAINER = {
    "extra_forbidden": "there is no such field",
    "model_type": "expected fields of its own",
    "too_short": "expected one entry at least",
}


class PolicyTextError(ValueError):
    """Text that is no policy; each of `lines` says where and what is wrong."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def read(text: bytes) -> tuple[dict[str, Any], Policy]:
    """A policy as it was written, and as it is meant, with defaults filled in.

    Raises:
        PolicyTextError: naming the line of what is no YAML, or the field that no policy has.
    """
    node = _composed(text)
    if not isinstance(node, yaml.MappingNode):
        raise PolicyTextError("Expected fields of a policy; write {} for one of defaults alone.")
    loader = _Loader("")
    try:
        written: dict[str, Any] = loader.construct_document(node)
        return written, Policy.model_validate(written)
    except yaml.MarkedYAMLError as error:
        raise PolicyTextError(_told(error)) from error
    except ValidationError as error:
        lines = dict(_lines(node))
        raise PolicyTextError(*(_field_told(item, lines) for item in error.errors())) from error


def write(document: dict[str, Any]) -> str:
    """A policy document as YAML."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def _composed(text: bytes) -> yaml.Node | None:
    if len(text) > MOST_BYTES:
        raise PolicyTextError(f"It has more than the {MOST_BYTES} bytes that are allowed.")
    try:
        node: yaml.Node | None = _Loader(text.decode()).get_single_node()
    except UnicodeDecodeError as error:
        raise PolicyTextError("It is not UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        raise PolicyTextError(_told(error)) from error
    except yaml.YAMLError as error:
        raise PolicyTextError(f"It is no YAML: {str(error).splitlines()[0]}.") from error
    return node


class _Loader(yaml.SafeLoader):
    """Plain YAML alone."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - overrides PyYAML's own
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse anchors, aliases, tags and depths before anything is made of them."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _refused("anchors and aliases are not taken", event.start_mark)
        if event.tag:
            raise _refused("tags are not taken", event.start_mark)
        if self.depth >= DEEPEST:
            raise _refused("no policy nests as deep", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse names that are no text, or come twice."""
        seen = set()
        for key, _ in node.value:
            if key.tag != f"{_TAG}str" or key.value in seen:
                raise _refused("a field's name is text, and comes once", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


for _name, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_pattern})$"), None)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever a reader of YAML 1.1 or 1.2 might take for something else than text."""

    yaml_implicit_resolvers: dict[str, Any] = {  # noqa: RUF012 - overrides PyYAML's own
        **yaml.SafeDumper.yaml_implicit_resolvers,
        **_Loader.yaml_implicit_resolvers,
    }


def _refused(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _told(error: yaml.MarkedYAMLError) -> str:
    where = error.problem_mark or error.context_mark
    line = f"Line {where.line + 1}: " if where else ""
    return f"{line}{error.problem or 'not YAML'}."


def _lines(node: yaml.Node, field: str = "") -> Iterator[tuple[str, int]]:
    """The line of each field, by dotted name."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            dotted = f"{field}.{key.value}" if field else str(key.value)
            yield dotted, key.start_mark.line + 1
            yield from _lines(value, dotted)


def _field_told(item: Any, lines: dict[str, int]) -> str:  # noqa: ANN401 - pydantic's
    parts = [str(part) for part in item["loc"] if part != "[key]"]
    known = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    line = next((f"Line {lines[field]}: " for field in known if field in lines), "")
    message = _PLAINER.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{line}{'.'.join(parts) or 'policy'}: {message}"
