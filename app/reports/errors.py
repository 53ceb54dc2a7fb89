"""Why there is no report to show."""

from app.core.errors import DomainError, ErrorKind


class ReportFailedError(DomainError):
    """The report could not be built."""

    code = "report_failed"
    kind = ErrorKind.CONFLICT

    def __init__(self, reason: str) -> None:
        super().__init__(f"The report could not be built: {reason} Ask again in ten minutes.")


class RoundNotJudgedError(DomainError):
    """A report was to be built before its round was judged; it is tried again later."""

    code = "round_not_judged"
    kind = ErrorKind.CONFLICT

    def __init__(self) -> None:
        super().__init__("The round was not judged yet; its report is built once it is.")


class NothingToReportError(DomainError):
    """There is nothing that the report could show; the message says what is missing."""

    code = "nothing_to_report"
    kind = ErrorKind.CONFLICT
