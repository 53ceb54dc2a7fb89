"""The documentation as tests read it: pages, their links, code blocks and tables."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "client" / "README.md",
    ]
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def page(path: str) -> str:
    """The text of a page, by its path from the repository's root."""
    return (ROOT / path).read_text()


def code_blocks(text: str, *languages: str) -> list[str]:
    """What stands between fences of one of these languages."""
    return [body for language, body in _FENCE.findall(text) if language in languages]


def links(text: str) -> list[str]:
    """The targets of links and pictures outside code blocks."""
    return _LINK.findall(_FENCE.sub("", text))


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row; a bar inside backticks does not occur in these pages."""
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|-: "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def first_cells(text: str) -> dict[str, list[str]]:
    """Rows by the name in backticks that their first cell is; what follows it, as it stands."""
    named = ((re.fullmatch(r"`([^`]+)`", row[0]), row[1:]) for row in table_rows(text))
    return {match[1]: rest for match, rest in named if match}
