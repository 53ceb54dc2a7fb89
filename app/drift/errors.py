"""What a reference or a report can be refused for."""

from app.core.errors import DomainError


class TooFewRoundsError(DomainError):
    """A reference of so few rounds would say nothing about usual variation."""

    code = "too_few_rounds"

    def __init__(self, have: int, need: int) -> None:
        super().__init__(
            f"{have} of the named rounds measured this version; a reference needs {need}. Name more"
            " rounds, or wait: it freezes by itself once there are enough."
        )
