"""The process ends at any file operation whatever: no push that was taken is lost, or repeated."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vigie_client.spool import Spool

ROUNDS = [b"one", b"two", b"three", b"four"]
REFUSED, UNSENDABLE = b"two", b"three"


class Crash(BaseException):
    """The end of the process."""


@contextmanager
def crash_at(operation: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """End the process before its file operation of that number; count how many there were.

    What other threads do, and what is collected meanwhile, such as a temporary folder of another
    test, is none of the spool's.
    """
    seen, own = [0], threading.get_ident()

    def of_the_spool(file: int | Path) -> bool:
        inside = isinstance(file, int) or Path(file).is_relative_to(folder)
        return inside and threading.get_ident() == own

    def crashing(owner: object, name: str) -> None:
        real: Callable[..., object] = getattr(owner, name)

        def called(file: int | Path, *arguments: object, **options: object) -> object:
            if of_the_spool(file):
                if seen[0] == operation:
                    raise Crash
                seen[0] += 1
            return real(file, *arguments, **options)

        patched.setattr(owner, name, called)

    with monkeypatch.context() as patched:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "open"), (os, "fsync")):
            crashing(owner, name)
        yield seen


def opened(folder: Path) -> Spool:
    return Spool(folder, max_files=100, max_bytes=10_000, receipts_kept=100)


def work_off(spool: Spool, sent: list[bytes]) -> None:
    """What the thread behind a reporter does, with a service that refuses one push for good."""
    while (newcomer := spool.newcomer()) is not None:
        number, data = newcomer
        if data == UNSENDABLE:
            spool.set_aside(number, data, b"problem")
        else:
            spool.settle(number, data)
    while (oldest := spool.oldest()) is not None:
        number, data = oldest
        sent.append(data)
        if data == REFUSED:
            spool.mark_refused(number, b"problem")
        else:
            spool.mark_delivered(number, b"receipt")


def live(spool: Spool, taken: list[bytes], sent: list[bytes]) -> None:
    for round_ in ROUNDS:
        spool.add(round_)
        taken.append(round_)
        if round_ in ROUNDS[1::2]:
            work_off(spool, sent)


def operations(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    spool = opened(folder)
    with crash_at(-1, folder, monkeypatch) as seen:
        live(spool, [], [])
    spool.close()
    return seen[0]


def test_at_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = operations(tmp_path / "whole", monkeypatch)
    assert total > 40
    for operation in range(total):
        folder = tmp_path / str(operation)
        taken: list[bytes] = []
        sent: list[bytes] = []
        spool = opened(folder)
        with crash_at(operation, folder, monkeypatch), pytest.raises(Crash):
            live(spool, taken, sent)
        spool.close()  # as the system does when a process ends
        later = opened(folder)
        work_off(later, sent)
        delivered = [each for each in sent if each != REFUSED]
        refused = {path.read_bytes() for path in (folder / "refused").glob("*.push")}
        assert set(taken) <= set(delivered) | refused, operation
        assert sent == sorted(sent, key=ROUNDS.index), "out of order"
        assert {name for name in (REFUSED, UNSENDABLE) if name in taken} <= refused
        assert len(list((folder / "receipts").iterdir())) == len(set(delivered))
        assert len(delivered) <= len(set(delivered)) + 1, "more than the one under way again"
        assert later.pending == 0
        later.close()
