"""Which passwords are taken, and what is kept of them."""

import threading

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from app.people import passwords
from app.people.errors import BusyError, WeakPasswordError
from tests.unit.people.conftest import PASSWORD


@pytest.mark.parametrize(
    "weak",
    [
        "short but odd",
        "x" * 129,
        "aaaaaaaaaaaaaaaa",
        "passwordpassword1",
        "123456789012345",
        "qwertyuiopasdfgh",
        "iloveyouiloveyou",
        "gracegracegrace1",
    ],
)
def test_what_is_guessed_first_is_refused(weak: str) -> None:
    with pytest.raises(WeakPasswordError):
        passwords.check(weak, "grace", "Grace Hopper")


@pytest.mark.parametrize("good", [PASSWORD, "ünïcödé wörds ärë fïne", "x7#" + "lQ9 zv" * 20])
def test_long_ones_are_taken_whatever_they_are_made_of(good: str) -> None:
    passwords.check(good, "grace", "Grace Hopper")
    assert passwords.matches(good, passwords.hashed(good))
    assert not passwords.matches(good + "x", passwords.hashed(good))


def test_they_are_kept_as_rfc_9106_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    kept = passwords.hashed(PASSWORD)
    assert PASSWORD not in kept
    told = extract_parameters(kept)
    assert (told.type, told.time_cost, told.memory_cost, told.parallelism) == (Type.ID, 3, 65536, 4)
    assert (told.salt_len, told.hash_len) == (16, 32)


def test_nobodys_password_and_a_spoilt_hash_match_nothing() -> None:
    assert not passwords.matches("nobody's password", None)
    assert not passwords.matches("nobody's password", "$argon2id$spoilt")


def test_only_two_are_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_turns", threading.BoundedSemaphore(1))
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.01)
    with passwords._turn(), pytest.raises(BusyError):
        passwords.hashed(PASSWORD)
    assert passwords.hashed(PASSWORD)
