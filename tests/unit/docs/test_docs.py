"""The documentation says what the code does: links, commands, settings, policy, roles, codes."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main

from app.cli import cli
from app.core.settings import Settings
from app.federations.policy import Policy
from app.federations.roles import ALLOWED, Permission, Role
from app.rounds.schemas import BinSpecIn, ClientRecord, Envelope, Receipt
from tests.unit.docs.pages import PAGES, ROOT, code_blocks, first_cells, links, page, table_rows

# Read by the client's example and by the test run, not by the service.
OTHER_VARIABLES = {
    "VIGIE_URL",
    "VIGIE_API_KEY",
    "VIGIE_FEDERATION",
    "VIGIE_PSEUDONYM_KEY",
    "VIGIE_NO_SKIPS",
}
SETTINGS = {f"VIGIE_{name.upper()}": field for name, field in Settings.model_fields.items()}
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@every_page
def test_relative_links_and_pictures_resolve(path: Path) -> None:
    targets = [urlsplit(link) for link in links(path.read_text())]
    relative = [target for target in targets if not target.scheme and target.path]
    missing = [target.path for target in relative if not (path.parent / target.path).exists()]
    assert missing == []


@every_page
def test_named_commands_exist(path: Path) -> None:
    text = path.read_text()
    shown = "\n".join(code_blocks(text, "sh", "bash", "")) + "\n".join(re.findall("`[^`]+`", text))
    for words in re.findall(r"(?:^|[\s`/])vigie ([a-z]+(?: [a-z]+)*)", shown, re.MULTILINE):
        _resolve(words.split())


@every_page
def test_named_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    text = path.read_text()
    shown = "\n".join(code_blocks(text, "sh", "bash")) + "\n".join(re.findall("`[^`]+`", text))
    named = set(re.findall(r"(?:^|[`&;] ?)make (?:[A-Z]+=\S+ )*([a-z-]+)", shown, re.MULTILINE))
    assert named <= targets


@every_page
def test_named_variables_are_settings(path: Path) -> None:
    named = set(re.findall(r"\bVIGIE_[A-Z_]*[A-Z]\b", path.read_text()))
    assert named <= SETTINGS.keys() | OTHER_VARIABLES


@every_page
def test_python_blocks_compile(path: Path) -> None:
    for block in code_blocks(path.read_text(), "python"):
        compile(block, str(path), "exec")


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no such command: forget"):
        _resolve(["audit", "forget"])


def test_every_setting_is_documented_with_its_default() -> None:
    rows = first_cells(page("docs/reference/settings.md"))
    documented = {name for name in rows if name.startswith("VIGIE_")}
    assert documented == SETTINGS.keys()
    for name, field in SETTINGS.items():
        if field.default is not None:
            assert rows[name][0] == f"`{field.default}`", name


def test_every_policy_field_is_documented_with_its_default() -> None:
    rows = first_cells(page("docs/reference/policy.md"))
    documented = {name: json.loads(cells[0].strip("`")) for name, cells in rows.items()}
    assert documented == dict(_leaves(Policy().model_dump(mode="json")))


def test_the_roles_table_is_the_one_in_the_code() -> None:
    header, *rows = (
        row for row in table_rows(page("docs/reference/roles.md")) if len(row) == len(Role) + 2
    )
    roles = [Role(cell.strip("`")) for cell in header[2:]]
    documented = {
        (role, Permission(row[0].strip("`"))): {"yes": True, "no": False}[cell]
        for row in rows
        for role, cell in zip(roles, row[2:], strict=True)
    }
    assert documented == {(role, p): p in ALLOWED[role] for role in Role for p in Permission}


def test_every_refusal_code_is_documented() -> None:
    files = [ROOT / "app/rounds" / name for name in _REFUSING]
    codes = {code for file in files for code in _refusal_codes(ast.parse(file.read_text()))}
    documented = {
        code
        for code, cells in first_cells(page("docs/reference/wire-format.md")).items()
        if len(cells) == 2 and re.fullmatch("[a-z]+(_[a-z]+)*", code)
    }
    assert len(codes) > 20
    assert codes - documented == set()


def test_every_wire_field_is_documented() -> None:
    text = page("docs/reference/wire-format.md")
    fields = {name for body in (Envelope, ClientRecord, BinSpecIn) for name in body.model_fields}
    assert {
        name for name in fields | Receipt.model_fields.keys() if f"`{name}`" not in text
    } == set()


def test_every_decision_record_is_in_the_index() -> None:
    index = page("docs/README.md")
    records = sorted(record.name for record in (ROOT / "docs/adr").glob("*.md"))
    assert [name for name in records if f"(adr/{name})" not in index] == []
    assert [name[:4] for name in records] == [f"{n:04}" for n in range(1, len(records) + 1)]


_REFUSING = (
    "admission.py",
    "arrow_columns.py",
    "bin_specs.py",
    "gate.py",
    "ingesting.py",
    "parsing.py",
)


def _resolve(words: list[str]) -> None:
    """Walk the command's words down the Typer application, as far as it has subcommands."""
    command: object = typer.main.get_command(cli)
    while known := getattr(command, "commands", None):
        assert words, "a subcommand is missing"
        assert words[0] in known, f"no such command: {words[0]}"
        command, words = known[words[0]], words[1:]


def _leaves(part: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _refusal_codes(tree: ast.Module) -> Iterator[str]:
    """Codes are the constant next to last in a call or tuple that ends with a message."""
    for node in ast.walk(tree):
        parts = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        if len(parts) < 2 or not isinstance(parts[-2], ast.Constant):
            continue
        code, message = parts[-2].value, parts[-1]
        told = isinstance(message, ast.JoinedStr | ast.Constant) or (
            isinstance(message, ast.Name) and message.id == "message"
        )
        if told and isinstance(code, str) and re.fullmatch("[a-z]+(_[a-z]+)*", code):
            yield code
