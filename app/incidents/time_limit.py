"""A limit on work that has none of its own and cannot be interrupted.

The caller goes on when time is up. The thread that is left behind is the only one of its kind:
until it ends there is no second for the same receiver, so that one which never answers holds one
thread.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread

_left_behind: dict[str, Thread] = {}
_lock = Lock()


class OutOfTimeError(Exception):
    """The work did not end in time, or the attempt before it has not ended yet."""


def within(seconds: float, receiver: str, work: Callable[[], bool]) -> bool:
    """What `work` says; what it raises counts as False.

    Raises:
        OutOfTimeError: if it takes longer.
    """
    answers: SimpleQueue[bool] = SimpleQueue()
    thread = Thread(target=_run, args=(work, answers), daemon=True, name=f"limited {receiver}")
    with _lock:
        before = _left_behind.get(receiver)
        if before is not None and before.is_alive():
            raise OutOfTimeError("An attempt that began earlier has not ended yet.")
        _left_behind[receiver] = thread
    thread.start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise OutOfTimeError(f"No answer within {seconds:g} seconds.") from None
    with _lock:
        _left_behind.pop(receiver, None)
    return answer


def _run(work: Callable[[], bool], answers: SimpleQueue[bool]) -> None:
    try:
        answers.put(work())
    except Exception:  # noqa: BLE001 - a library's bug is a failed attempt, told without its text
        answers.put(False)
