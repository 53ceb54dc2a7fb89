"""Runs the service's processes as children: restarts one that dies, stops all on a signal."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

import structlog

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>
CHECK_SECONDS = 0.2
MAX_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0

log = structlog.get_logger(__name__)


def _end_with_parent() -> Callable[[], None] | None:
    """What a child does first on Linux: ask to be ended when its parent is, even by -9.

    Elsewhere nothing, and a supervisor that is killed so leaves its children running.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One process to keep alive."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    resume_at: float = 0.0

    def start(self) -> None:
        """Start it, in a process group of its own so that Ctrl-C reaches the supervisor alone."""
        self.process = subprocess.Popen(  # noqa: S603 - ours
            self.command,
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 - the supervisor has one thread
        )
        self.started_at = time.monotonic()
        log.info("supervisor.started", child=self.name, pid=self.process.pid)

    def pause_seconds(self) -> float:
        """How long to wait before the next start: longer, the more often it died at once."""
        if time.monotonic() - self.started_at > STEADY_SECONDS:
            self.restarts = 0
        doublings = min(self.restarts, 10)  # a number too large for a float ends the supervisor
        return float(min(0.25 * 2**doublings, MAX_PAUSE_SECONDS))


@dataclass
class Supervisor:
    """Keeps children alive until `stop` is called or a signal comes.

    Told to end, they have `grace_seconds` together; who has not ended then is killed.
    """

    children: Sequence[Child]
    grace_seconds: float
    # No threading.Event: its lock may be held by the very wait that a signal's handler interrupts.
    _stopping: bool = False

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Start all, call `started`, keep all alive; return when everything has stopped."""
        self._listen()
        try:
            for child in self.children:
                child.start()
            started()
            while not self._stopping:
                for child in self.children:
                    self._revive(child)
                time.sleep(CHECK_SECONDS)
        finally:
            self._stop_children()

    def stop(self) -> None:
        """Let `run` return soon."""
        self._stopping = True

    def _listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        # A closing terminal tells the supervisor alone; under nohup it is to stay.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()

    def _revive(self, child: Child) -> None:
        assert child.process is not None
        code = child.process.poll()
        if code is None:
            return
        if not child.resume_at:
            pause = child.pause_seconds()
            log.warning("supervisor.died", child=child.name, code=code, restart_in=pause)
            child.resume_at = time.monotonic() + pause
        if time.monotonic() >= child.resume_at:
            child.restarts, child.resume_at = child.restarts + 1, 0.0
            child.start()

    def _stop_children(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self.grace_seconds
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
