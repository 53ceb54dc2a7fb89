"""The embedded profile's secret, and where settings put things."""

import stat
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.secret import load_or_make_secret
from app.core.settings import Settings


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    first = load_or_make_secret(path)
    assert load_or_make_secret(path) == first
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    made: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: made.append(load_or_make_secret(tmp_path / "secret")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    with pytest.raises(ValueError, match="at least 32"):
        load_or_make_secret(tmp_path / "secret")
    with pytest.raises(ValidationError):
        Settings(secret="short")


def test_the_default_profile_is_embedded_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path / 'vigie.db'}"
    assert settings.broker == "filesystem://"
    assert settings.mlflow == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert "secret" not in repr(settings.model_copy(update={"secret": None}).data_dir)


def test_cookies_are_secure_where_people_come_by_https() -> None:
    assert Settings(public_url="https://vigie.example").cookies_are_secure
    assert not Settings(public_url="http://127.0.0.1:8000").cookies_are_secure


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("redis://redis:6379/0", "redis://:a-b@redis:6379/0"),  # no user, as Redis has none
        ("redis://vigie@redis:6379/0", "redis://vigie:a-b@redis:6379/0"),
    ],
)
def test_a_password_from_a_file_gets_into_the_brokers_address(
    address: str, whole: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("a-b\n")
    settings = Settings(broker_url=address, broker_password_file=tmp_path / "password")
    assert settings.broker == whole
