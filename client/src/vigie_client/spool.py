"""A folder where a push lies until the service has answered it.

::

    incoming/000000000042.round         handed over, not encoded yet
    pending/000000000042.push           waiting, oldest number first
    refused/000000000042.push           answered with a final refusal ...
    refused/000000000042.problem.json   ... and this is the answer
    receipts/000000000042.json          delivered; the newest receipts are kept, one a line where
                                        a round went in chunks
    lock                                held by the one reporter that may use the folder

A push is at every moment incoming, pending, refused, or delivered with its receipt on disk: every
file appears by an atomic rename, and before the one that it takes the place of is removed.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

from vigie_client.errors import SpoolFull
from vigie_client.files import FolderLock, move, write_atomically, write_quickly

_DIGITS = 12
_FOLDERS = ("", "incoming", "pending", "refused", "receipts")


class Spool:
    """Numbered files under a lock; what is in them is opaque here. Safe between threads.

    The bounds are for all that is incoming, pending and refused together, and are judged when a
    round comes in; encoded, it may be up to twice as large. Nothing is ever dropped to make room:
    what comes at the bound is turned away, and counted in ``turned_away``.
    """

    def __init__(self, folder: Path, *, max_files: int, max_bytes: int, receipts_kept: int) -> None:
        """Open the folder, making it if need be, and take up what an earlier process left.

        Raises ``SpoolLocked`` when another reporter has it, ``ValueError`` for a bound under 1.
        """
        if min(max_files, max_bytes, receipts_kept) < 1:
            raise ValueError("max_files, max_bytes and receipts_kept must be at least 1.")
        self._folder, self._max_files, self._max_bytes = folder, max_files, max_bytes
        self._receipts_kept = receipts_kept
        self.delivered = self.turned_away = 0
        for name in _FOLDERS:
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FolderLock(folder / "lock")
        self._mutex = threading.RLock()
        self._take_up()

    def _take_up(self) -> None:
        for leftover in self._folder.glob("*/.*.tmp"):
            leftover.unlink()
        self._receipts = deque(_numbered(self._folder / "receipts", ".json"))
        self._reread_refused()
        self._pending = _numbered(self._folder / "pending", ".push")
        for number in set(self._receipts) & set(self._pending):
            self._forget(number)
        self._incoming = _numbered(self._folder / "incoming", ".round")
        later = {*self._receipts, *self._refused, *self._pending}
        for number in later & set(self._incoming):
            self._forget_incoming(number)
        self._next = 1 + max([0, *later, *self._incoming])

    @property
    def incoming(self) -> int:
        """How many pushes were handed over and are not encoded yet."""
        return len(self._incoming)

    @property
    def pending(self) -> int:
        """How many pushes wait for an answer, incoming ones included."""
        with self._mutex:  # one that is between the two is counted once
            return len(self._pending) + len(self._incoming)

    @property
    def refused(self) -> int:
        """How many refused pushes lie in ``refused/``."""
        return len(self._refused)

    def add(self, round_: bytes) -> None:
        """Put a round at the end; it outlasts the process when this returns, and soon a power cut.

        Raises ``SpoolFull`` when there is no room, and then nothing has changed.
        """
        with self._mutex:
            self._check_room(len(round_))
            write_quickly(self._round(self._next), round_)
            self._incoming[self._next] = len(round_)
            self._next += 1

    def newcomer(self) -> tuple[int, bytes] | None:
        """Return the number and bytes of the oldest round not encoded yet, or ``None``."""
        return self._first(self._incoming, self._round, self._forget_incoming)

    def settle(self, number: int, push: bytes) -> None:
        """Put the push that a newcomer became in its place; it outlasts a power cut from now on."""
        write_atomically(self._path("pending", number), push)
        with self._mutex:
            self._pending[number] = len(push)
            self._forget_incoming(number)

    def set_aside(self, number: int, push: bytes, problem: bytes) -> None:
        """Keep a newcomer that cannot be sent in ``refused/``, with the reason beside it."""
        write_atomically(self._problem(number), problem)
        write_atomically(self._path("refused", number), push)
        with self._mutex:
            self._refused[number] = len(push)
            self._forget_incoming(number)

    @property
    def first(self) -> int | None:
        """The number of the push to send first, or ``None`` when none waits."""
        with self._mutex:
            return next(iter(self._pending), None)

    def oldest(self) -> tuple[int, bytes] | None:
        """Return the number and bytes of the push to send first, or ``None`` when none waits."""
        return self._first(
            self._pending, lambda number: self._path("pending", number), self._forget
        )

    def mark_delivered(self, number: int, receipts: bytes) -> None:
        """Keep the answers, then drop the push."""
        write_atomically(self._receipt(number), receipts)
        with self._mutex:
            self.delivered += 1
            self._forget(number)
        self._receipts.append(number)
        while len(self._receipts) > self._receipts_kept:
            self._receipt(self._receipts.popleft()).unlink(missing_ok=True)

    def mark_refused(self, number: int, problem: bytes) -> None:
        """Keep the answer, then move the push beside it."""
        write_atomically(self._problem(number), problem)
        move(self._path("pending", number), self._path("refused", number))
        with self._mutex:
            self._refused[number] = self._pending.pop(number)

    def restore_refused(self) -> int:
        """Make every refused push pending again, in its old place; return how many."""
        with self._mutex:
            self._reread_refused()
            restored = list(self._refused)
            for number in restored:
                move(self._path("refused", number), self._path("pending", number))
                self._problem(number).unlink(missing_ok=True)
                self._pending[number] = self._refused.pop(number)
            self._pending = OrderedDict(sorted(self._pending.items()))
        return len(restored)

    def close(self) -> None:
        """Leave the folder to the next reporter."""
        self._lock.release()

    def _first(
        self,
        waiting: OrderedDict[int, int],
        path: Callable[[int], Path],
        forget: Callable[[int], None],
    ) -> tuple[int, bytes] | None:
        while True:
            with self._mutex:
                number = next(iter(waiting), None)
            if number is None:
                return None
            try:
                return number, path(number).read_bytes()
            except FileNotFoundError:  # somebody tidied up by hand
                forget(number)

    def _check_room(self, size: int) -> None:
        if self._has_room(size):
            return
        self._reread_refused()
        if not self._has_room(size):
            self.turned_away += 1
            raise SpoolFull(
                f"The spool {self._folder} holds {self.pending} pending and {self.refused} refused "
                f"pushes and has no room for {size} bytes more (bounds: {self._max_files} files, "
                f"{self._max_bytes} bytes). This push was not kept. See why nothing leaves, replay "
                "or remove what was refused, or raise the bounds."
            )

    def _has_room(self, size: int) -> bool:
        held = (self._incoming, self._pending, self._refused)
        files = sum(len(sizes) for sizes in held)
        total = sum(sum(sizes.values()) for sizes in held)
        return files < self._max_files and total + size <= self._max_bytes

    def _reread_refused(self) -> None:
        # Somebody may have looked through refused/ and removed what was not worth sending.
        self._refused = _numbered(self._folder / "refused", ".push")

    def _forget(self, number: int) -> None:
        self._path("pending", number).unlink(missing_ok=True)
        with self._mutex:
            self._pending.pop(number, None)

    def _forget_incoming(self, number: int) -> None:
        self._round(number).unlink(missing_ok=True)
        with self._mutex:
            self._incoming.pop(number, None)

    def _round(self, number: int) -> Path:
        return self._folder / "incoming" / f"{number:0{_DIGITS}d}.round"

    def _path(self, state: str, number: int) -> Path:
        return self._folder / state / f"{number:0{_DIGITS}d}.push"

    def _problem(self, number: int) -> Path:
        return self._path("refused", number).with_suffix(".problem.json")

    def _receipt(self, number: int) -> Path:
        return self._folder / "receipts" / f"{number:0{_DIGITS}d}.json"


def _numbered(folder: Path, suffix: str) -> OrderedDict[int, int]:
    """Return the sizes of the folder's numbered files, by number."""
    paths = (path for path in folder.glob(f"*{suffix}") if path.stem.isdecimal())
    return OrderedDict(sorted((int(path.stem), path.stat().st_size) for path in paths))
