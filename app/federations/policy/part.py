"""What all parts of a policy share: their base, their types of numbers, and how they refuse."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, LiteralString

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Probability = Annotated[float, Field(gt=0, lt=1)]
Effect = Annotated[float, Field(gt=0, lt=1e9)]
Share = Annotated[float, Field(gt=0, le=1)]
Severity = Literal["info", "warning", "critical"]
MOST_ROUNDS, MOST_HOURS, MOST = 10_000, 24 * 365, 2**31 - 1
LARGEST = 1e9


def _number(value: object) -> object:
    """Never text and never a boolean: a whole number stays one, as a count of rounds has to."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise ValueError(f"a parameter is a number, {LARGEST:g} at most either way")
    return value


Parameter = Annotated[int | float, BeforeValidator(_number)]


class PolicyPart(BaseModel):
    """Base of all parts: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Fault:
    """One thing wrong within a part; `path` leads to it from there."""

    path: tuple[str, ...]
    code: LiteralString
    message: str


def refuse(faults: Iterable[Fault]) -> None:
    """Raise one ValidationError that names every fault's field; do nothing without any.

    Raised in a validator, its paths are continued from the validator's own.
    """
    details = [
        InitErrorDetails(
            type=PydanticCustomError(fault.code, "{message}", {"message": fault.message}),
            loc=fault.path,
            input=None,
        )
        for fault in faults
    ]
    if details:
        raise ValidationError.from_exception_data("policy", details)
