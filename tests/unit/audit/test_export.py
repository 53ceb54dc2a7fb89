"""Exports and checkpoints: signed, and verified without the database."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from app.audit import exporting, service, signing
from app.audit.errors import BrokenChainError, ForgedCheckpointError, UnusableKeyError
from app.cli import cli
from app.core import settings as settings_module
from app.core.database import Database
from app.core.errors import DomainError
from app.core.settings import Settings

ENTRIES, TAMPERED = 8, 1000


@pytest.fixture
def lines(database: Database, tmp_path: Path) -> list[str]:
    """An export of eight entries with their checkpoint."""
    with database.session_scope() as session:
        for n in range(ENTRIES):
            service.record(
                session,
                actor="ada",
                action="test.step",
                entity=f"step:{n}",
                after={"x": n / 3, "t": "é"},
            )
    with database.read_scope() as session:
        return list(exporting.export(session, signing.load_or_make_key(tmp_path / "key.pem")))


@pytest.fixture
def verify(tmp_path: Path) -> Callable[[list[str]], int]:
    key = signing.load_or_make_key(tmp_path / "key.pem").public_key()
    return lambda lines: exporting.verify_lines(lines, key).seq


def test_an_export_is_verified_without_the_database(lines: list[str], verify: Callable) -> None:
    assert len(lines) == ENTRIES + 1
    assert verify(lines) == ENTRIES


def test_an_empty_log_is_exported_and_verified(
    database: Database, verify: Callable, tmp_path: Path
) -> None:
    with database.read_scope() as session:
        written = list(exporting.export(session, signing.load_or_make_key(tmp_path / "key.pem")))
    assert verify(written) == 0


def test_random_changes_of_an_export_are_all_found(lines: list[str], verify: Callable) -> None:
    changes = [_tampered(lines, Random(seed)) for seed in range(TAMPERED)]
    real = [changed for changed in changes if _said(changed) != _said(lines)]
    assert len(real) > 0.9 * TAMPERED
    for changed in real:
        with pytest.raises(DomainError):
            verify(changed)
    assert verify(lines) == ENTRIES


def _said(lines: list[str]) -> list[object]:
    return [json.loads(line) for line in lines]


def _tampered(lines: list[str], random: Random) -> list[str]:
    place, other = random.sample(range(len(lines)), 2)
    kind = random.choice(["drop", "swap", "repeat", "edit", "cut"])
    changed = list(lines)
    if kind == "drop":
        del changed[place]
    elif kind == "swap":
        changed[place], changed[other] = changed[other], changed[place]
    elif kind == "repeat":
        changed.insert(place, changed[other])
    elif kind == "cut":
        changed = changed[:place]
    else:
        facts = json.loads(changed[place])
        inner = facts.get("checkpoint", facts)
        inner[random.choice(sorted(inner))] = random.choice([0, "x", None, "0" * 64])
        changed[place] = json.dumps(facts, separators=(",", ":"))
    return changed


def test_a_shorter_export_is_shown_by_a_later_checkpoint(
    database: Database, lines: list[str], tmp_path: Path
) -> None:
    key = signing.load_or_make_key(tmp_path / "key.pem")
    with database.session_scope() as session:
        service.record(session, actor="ada", action="test.step", entity="step:9")
    with database.read_scope() as session:
        later = signing.sign(service.verify(session), key)
    with pytest.raises(BrokenChainError, match="knows 9 entries"):
        exporting.verify_lines(lines, key.public_key(), later)


def test_a_checkpoint_of_another_key_is_none(lines: list[str], tmp_path: Path) -> None:
    other = signing.load_or_make_key(tmp_path / "other.pem")
    with pytest.raises(ForgedCheckpointError):
        exporting.verify_lines(lines, other.public_key())


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key.pem"
    assert signing.public_pem(signing.load_or_make_key(path)) == signing.public_pem(
        signing.load_or_make_key(path)
    )
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_without_a_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nothing")
    with pytest.raises(UnusableKeyError, match=r"key\.pem"):
        signing.load_or_make_key(path)


def test_the_command_line_exports_and_verifies(
    settings: Settings, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_DATA_DIR", str(settings.data_dir))
    settings_module.settings.cache_clear()
    run, file, key, mark = (
        CliRunner(),
        tmp_path / "a.jsonl",
        tmp_path / "a.pem",
        tmp_path / "a.json",
    )
    for words in (["export", str(file)], ["key", str(key)], ["checkpoint", str(mark)]):
        assert run.invoke(cli, ["audit", *words]).exit_code == 0
    offline = ["audit", "verify", "--file", str(file), "--public-key", str(key)]
    assert run.invoke(cli, offline).exit_code == 0
    assert run.invoke(cli, ["audit", "verify", "--checkpoint", str(mark)]).exit_code == 0
    file.write_text(file.read_text().replace("step:3", "step:4"))
    broken = run.invoke(cli, offline)
    assert broken.exit_code == 1
    assert "broken at entry 4" in broken.stderr
    mark.write_text(mark.read_text().replace('"seq":8', '"seq":7'))
    forged = run.invoke(cli, ["audit", "verify", "--checkpoint", str(mark)])
    assert forged.exit_code == 1
    settings_module.settings.cache_clear()
