"""What `vigie up` stands on: children are kept alive, and none outlives the supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.core.supervisor import MAX_PAUSE_SECONDS, STEADY_SECONDS, Child, Supervisor
from tests.integration.polling import wait_for

GRACE_SECONDS, SHORT_GRACE_SECONDS = 20.0, 0.5
STOP_SECONDS = 10.0


class Story:
    """A file in which every child notes its process id as it starts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def child(self, then: str) -> str:
        """A shell command that notes its id and goes on as `then`."""
        return f"echo $$ >> '{self._path}'; {then}"

    def pids(self) -> list[int]:
        text = self._path.read_text() if self._path.exists() else ""
        return [int(line) for line in text.splitlines()]

    def wait_for_starts(self, count: int) -> list[int]:
        wait_for(f"{count} starts", lambda: len(self.pids()) >= count)
        return self.pids()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "pids")


@contextmanager
def supervising(
    story: Story, *scripts: str, grace: float = GRACE_SECONDS
) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor of these commands; it and all its children are gone after the block."""
    command = [sys.executable, "-m", "tests.integration.supervised", str(grace), *scripts]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in story.pids():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process still runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_child_that_is_killed_is_started_again_and_the_others_are_left_alone(
    story: Story,
) -> None:
    with supervising(story, story.child("exec sleep 600"), story.child("exec sleep 600")):
        first, second = story.wait_for_starts(2)
        os.kill(first, signal.SIGKILL)
        third = story.wait_for_starts(3)[2]
        assert not alive(first)
        assert alive(second)
        assert alive(third)


def test_a_child_that_dies_at_once_is_started_less_and_less_often(
    story: Story, tmp_path: Path
) -> None:
    times = tmp_path / "times"
    script = story.child(f"date +%s.%N >> '{times}'")
    with supervising(story, script):
        wait_for("four starts", lambda: len(times_in(times)) >= 4)
    starts = times_in(times)
    assert starts[1] - starts[0] >= 0.25
    assert starts[2] - starts[1] >= 0.5
    assert starts[3] - starts[2] >= 1.0


def times_in(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_pause_grows_to_a_limit_and_a_steady_child_is_forgiven() -> None:
    dying = Child("dying", ["false"], started_at=time.monotonic(), restarts=2000)
    assert dying.pause_seconds() == MAX_PAUSE_SECONDS
    steady = Child("steady", ["false"], started_at=time.monotonic() - STEADY_SECONDS - 1)
    steady.restarts = 2000
    assert steady.pause_seconds() == 0.25


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_children_and_the_supervisor(
    story: Story, number: signal.Signals
) -> None:
    scripts = [story.child("exec sleep 600") for _ in range(3)]
    with supervising(story, *scripts) as supervisor:
        pids = story.wait_for_starts(3)
        supervisor.send_signal(number)
        assert supervisor.wait(STOP_SECONDS) == 0
        assert not any(alive(pid) for pid in pids)


def test_a_signal_stops_it_while_a_dead_child_waits_for_its_restart(story: Story) -> None:
    with supervising(story, story.child("exit 1"), story.child("exec sleep 600")) as supervisor:
        story.wait_for_starts(4)
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(STOP_SECONDS) == 0
        assert not any(alive(pid) for pid in story.pids())


def test_a_child_that_ignores_the_request_is_killed_after_the_grace(story: Story) -> None:
    stubborn = story.child("trap '' TERM; exec sleep 600")
    with supervising(story, stubborn, grace=SHORT_GRACE_SECONDS) as supervisor:
        (pid,) = story.wait_for_starts(1)
        wait_for("the child to ignore SIGTERM", lambda: command_of(pid).startswith("sleep"))
        supervisor.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            supervisor.wait(SHORT_GRACE_SECONDS / 2)
        assert supervisor.wait(STOP_SECONDS) == 0
        assert not alive(pid)


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    """Put this process's signal handlers back as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers_kept")
def test_a_child_that_cannot_be_started_leaves_no_other_behind() -> None:
    missing = Child("missing", ["no-such-program-of-vigie"])
    sleeping = Child("sleeping", ["sleep", "600"])
    with pytest.raises(FileNotFoundError):
        Supervisor([sleeping, missing], GRACE_SECONDS).run()
    assert sleeping.process is not None
    assert sleeping.process.returncode == -signal.SIGTERM


@pytest.mark.usefixtures("handlers_kept")
def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervisor = Supervisor([Child("sleeping", ["sleep", "600"])], GRACE_SECONDS)
    supervisor.run(started=supervisor.stop)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a killed parent")
def test_children_end_with_a_supervisor_that_is_killed(story: Story) -> None:
    with supervising(
        story, story.child("exec sleep 600"), story.child("exec sleep 600")
    ) as process:
        children = story.wait_for_starts(2)
        process.kill()
        wait_for("the children's end", lambda: not any(map(alive, children)), STOP_SECONDS)
