"""What a broken audit chain raises."""

from pathlib import Path

from app.core.errors import DomainError, ErrorKind


class BrokenChainError(DomainError):
    """The audit log is not what was written."""

    code = "broken_audit_chain"
    kind = ErrorKind.CONFLICT

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"The audit log is broken at entry {seq}: {what}.")
        self.seq = seq


class ForgedCheckpointError(DomainError):
    """A checkpoint that was not signed with the key that it is checked with."""

    code = "forged_checkpoint"
    kind = ErrorKind.CONFLICT

    def __init__(self, seq: int) -> None:
        super().__init__(
            f"The checkpoint of {seq} entries was changed, or signed with another key."
            " Check that the public key is the installation's, and take another copy."
        )


class NotAnExportError(DomainError):
    """A file that is no export of the audit log, or not a whole one."""

    code = "not_an_export"

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"Line {line} of the export: {what}.")


class UnusableKeyError(DomainError):
    """A key file without an Ed25519 key."""

    code = "unusable_key"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} holds no Ed25519 key in PEM.")
