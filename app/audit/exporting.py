"""The audit log as a file: JSON Lines, one entry a line, and last a signed checkpoint.

The file can be verified without the database, with the installation's public key alone.
"""

from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError
from sqlmodel import Session

from app.audit import repository, service, signing
from app.audit.errors import NotAnExportError
from app.audit.schemas import Checkpoint, ExportedEntry, LastLine, SignedCheckpoint
from app.audit.tables import AuditEntry


def export(session: Session, key: Ed25519PrivateKey) -> Iterator[str]:
    """The lines of an export; the chain is checked on the way.

    Raises:
        BrokenChainError: at the first entry that is not what was written.
    """
    seq, last = 0, service.GENESIS
    for entry in repository.in_order(session):
        service.check_link(entry, seq + 1, last)
        seq, last = entry.seq, entry.hash
        yield ExportedEntry.model_validate(entry).model_dump_json()
    end = Checkpoint(seq=seq, hash=last)
    service.check_head(session, end)
    yield LastLine(checkpoint=signing.sign(end, key)).model_dump_json()


def verify_lines(
    lines: Iterable[str], key: Ed25519PublicKey, known: SignedCheckpoint | None = None
) -> Checkpoint:
    """Walk an export; return where it ends.

    Raises:
        BrokenChainError: at the first entry that was edited, removed, moved or cut off, against the
            export's own checkpoint and, if given, one that was kept elsewhere.
        ForgedCheckpointError: if one of the two was not signed with this key.
        NotAnExportError: if a line is none of an export, or the last one is missing.
    """
    entries = _Entries(lines)
    if known is not None:
        signing.check(known, key)
    end = service.walk(entries, known)
    signing.check(entries.checkpoint(), key)
    service.check_end(end, entries.checkpoint())
    return end


class _Entries:
    """The entries of an export, and what its last line says once they are read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self._read = 0
        self._checkpoint: SignedCheckpoint | None = None

    def __iter__(self) -> Iterator[AuditEntry]:
        for number, line in enumerate(self._lines, start=1):
            self._read = number
            if self._checkpoint is not None:
                raise NotAnExportError(self._read, "something follows the checkpoint")
            try:
                if line.startswith('{"checkpoint"'):
                    self._checkpoint = LastLine.model_validate_json(line).checkpoint
                    continue
                entry = ExportedEntry.model_validate_json(line)
            except ValidationError as error:
                what = "it is neither an entry nor a checkpoint"
                raise NotAnExportError(self._read, what) from error
            yield AuditEntry(**entry.model_dump())

    def checkpoint(self) -> SignedCheckpoint:
        if self._checkpoint is None:
            raise NotAnExportError(self._read + 1, "the checkpoint is missing")
        return self._checkpoint
