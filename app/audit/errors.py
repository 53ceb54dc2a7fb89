"""What a broken audit chain raises."""

from app.core.errors import DomainError, ErrorKind


class BrokenChainError(DomainError):
    """The audit log is not what was written."""

    code = "broken_audit_chain"
    kind = ErrorKind.CONFLICT

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"The audit log is broken at entry {seq}: {what}.")
        self.seq = seq
