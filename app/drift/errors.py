"""What a reference or a report can be refused for."""

from app.core.errors import DomainError, ErrorKind, FieldError


class TooFewRoundsError(DomainError):
    """A reference of so few rounds would say nothing about usual variation."""

    code = "too_few_rounds"

    def __init__(self, have: int, need: int) -> None:
        super().__init__(
            f"{have} of the named rounds measured this version; a reference needs {need}. Name more"
            " rounds, or wait: it freezes by itself once there are enough."
        )


class TooFewRoundsYetError(DomainError):
    """Not enough is known of the state that is to be the new normal."""

    code = "too_few_rounds_yet"
    kind = ErrorKind.CONFLICT

    def __init__(self, have: int, need: int, onset_step: int, least: int) -> None:
        super().__init__(
            f"{have} rounds since step {onset_step} measured this version; a reference needs"
            f" {need}. Acknowledge the incident and accept it once they are there, or name"
            f" {least} rounds at least in `rounds`."
        )


class RoundsBeforeOnsetError(DomainError):
    """A round that shows what was normal before."""

    code = "rounds_before_onset"

    def __init__(self, onset_step: int) -> None:
        told = (
            f"Name rounds from step {onset_step} on: those before show what was normal until then."
        )
        super().__init__(told, (FieldError("rounds", self.code, told),))
