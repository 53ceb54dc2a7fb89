"""The envelopes of rounds that were pushed, so that what becomes known later can follow."""

import hashlib
import logging
import threading
from collections import OrderedDict
from pathlib import Path

from vigie_client.canonical import canonical
from vigie_client.errors import UnknownRound
from vigie_client.files import write_quickly
from vigie_client.handover import HandedOver
from vigie_client.push import Address

log = logging.getLogger("vigie_client")

_SUFFIX = ".envelope"


class Envelopes:
    """A folder with the newest rounds' envelopes, one file a round and phase of a run.

    A round that is pushed anew, with a higher attempt say, takes the place of what was known of it.
    Safe between threads; for one process, which the spool's lock sees to.
    """

    def __init__(self, folder: Path, kept: int) -> None:
        """Open the folder, making it if need be; a bound of 0 remembers nothing."""
        self._folder, self._kept = folder, max(kept, 0)
        self._mutex = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
        self._known = OrderedDict.fromkeys(path.name for path in paths)

    def remember(self, round_: HandedOver) -> None:
        """Keep all of the round but its records, if the disk allows; forget the oldest."""
        content = {name: value for name, value in round_.content.items() if name != "clients"}
        envelope = HandedOver(round_.address, content, round_.span)
        name = _name(round_.address)
        try:
            with self._mutex:
                write_quickly(self._folder / name, envelope.to_bytes())
                self._known[name] = None
                self._known.move_to_end(name)
                while len(self._known) > self._kept:
                    oldest, _ = self._known.popitem(last=False)
                    (self._folder / oldest).unlink(missing_ok=True)
        except OSError as error:
            log.warning("The envelope of %s cannot be remembered: %s", round_.address, error)

    def forget(self, address: Address) -> None:
        """Drop what is known of a round."""
        with self._mutex:
            self._known.pop(_name(address), None)
            (self._folder / _name(address)).unlink(missing_ok=True)

    def recall(self, address: Address) -> HandedOver:
        """Return the round without its records; ``UnknownRound`` says what to do without it."""
        try:
            return HandedOver.from_bytes((self._folder / _name(address)).read_bytes())
        except (OSError, ValueError) as error:
            raise UnknownRound(
                f"The envelope of {address} is not remembered; the newest {self._kept} of this "
                "spool are. Call push(run, round, phase, body, chunk=...) with the records as "
                "`clients` and the round's own envelope: its attempt, global_step, model, "
                "bin_spec, privacy and retrain_request as they were pushed, and its times."
            ) from error


def _name(address: Address) -> str:
    return hashlib.sha256(canonical(address.to_json())).hexdigest()[:32] + _SUFFIX
