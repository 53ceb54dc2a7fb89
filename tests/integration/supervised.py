"""A supervisor of small shell commands, as a process of its own.

`python -m tests.integration.supervised <grace seconds> <command>...`
"""

import signal
import sys

from app.core.supervisor import Child, Supervisor


def main() -> None:
    """Keep `sh -c` alive for every command until a signal comes."""
    grace, *scripts = sys.argv[1:]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    children = [
        Child(f"child-{number}", ["sh", "-c", script]) for number, script in enumerate(scripts)
    ]
    Supervisor(children, grace_seconds=float(grace)).run()


if __name__ == "__main__":
    main()
