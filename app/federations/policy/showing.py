"""A policy for people: only what differs from the defaults, or the defaults with comments."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from app.federations.policy.document import Policy, document_of
from app.federations.policy.part import PolicyPart
from app.federations.policy.yaml_text import write

WIDTH = 88
HEADING = """\
What every federation starts with. Keep the lines that should differ, under their headings: what is
left out has the default of the service that it is applied to.
"""


def differing(policy: Policy) -> dict[str, Any]:
    """What of the policy is not as by default, as a document that makes the same policy."""
    return _differing(document_of(policy), document_of(Policy()))


def _differing(said: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(usual.get(name), dict):
            if part := _differing(value, usual[name]):
                kept[name] = part
        elif name not in usual or value != usual[name]:
            kept[name] = value
    return kept


def commented_defaults() -> str:
    """Every field with its default, as YAML, with what it does in comments."""
    return "\n".join([*_comment(HEADING, 0), *_commented(Policy(), 0)]) + "\n"


def _commented(part: PolicyPart, depth: int) -> Iterator[str]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        indent = "  " * depth
        if not depth:
            yield ""
        if isinstance(value, PolicyPart):
            yield from _comment((type(value).__doc__ or "").partition("\n")[0], depth)
            yield f"{indent}{name}:"
            yield from _commented(value, depth + 1)
        else:
            yield from _comment(field.description or "", depth)
            told = part.model_dump(mode="json", include={name})
            yield from (f"{indent}{line}" for line in write(told).splitlines())


def _comment(text: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    lines = wrap(text, WIDTH - len(indent), break_on_hyphens=False)
    return (f"{indent}# {line}" for line in lines)
