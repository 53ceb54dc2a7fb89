"""What the commands that talk to a running service share: its address, a key, and plain errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from vigie_client import VigieApi, VigieError

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option("--url", envvar="VIGIE_URL", help="The service's address.")]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar=["VIGIE_KEY", "VIGIE_API_KEY"],
        help="An API key. Better in the variable: other users of this machine see arguments.",
    ),
]
Federation = Annotated[
    str, typer.Option("--federation", "-f", envvar="VIGIE_FEDERATION", help="Its short name.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]

# By code: what to do about it on a command line; for others the client's own advice serves.
_ADVICE = {
    "unauthenticated": "Set VIGIE_KEY to a key of this federation; `vigie federations key` issues"
    " one.",
    "forbidden": "Take a key of another role; docs/reference/roles.md says which may do what.",
    "not_found": "Check --federation, and that the key is for it.",
    "conflicting_push": "To correct a round, push it whole with a higher `attempt`.",
    "body_too_large": "Send the round in several pushes, or raise VIGIE_MAX_BODY_BYTES on the"
    " service.",
}


@contextmanager
def connected(url: str, key: str, federation: str) -> Iterator["VigieApi"]:
    """The federation's API; whatever goes wrong in it ends the command, told with what to do.

    Exits with 2 for options that cannot work, else with 1.
    """
    from vigie_client import VigieError, VigieUnreachable  # noqa: PLC0415 - httpx, only when used

    try:
        api = open_api(url, key, federation)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        with api:
            yield api
    except VigieUnreachable as error:
        fail(f"{error}\nIs the service up (`vigie up`), and is --url or VIGIE_URL its address?")
    except VigieError as error:
        fail(told(error))


def open_api(url: str, key: str, federation: str) -> "VigieApi":
    """The federation's API; `ValueError` for options that cannot work."""
    from vigie_client import VigieApi  # noqa: PLC0415 - httpx, only when used

    return VigieApi(url, key, federation)


def told(error: "VigieError") -> str:
    """What the service said is wrong, field by field, and what to do about it."""
    fields = [f"  {item.field}: {item.message}" for item in error.errors]
    advice = _ADVICE.get(error.code, error.advice)
    lines = [f"{error.status} {error.code}: {error.detail}", *fields, advice]
    return "\n".join(line for line in lines if line)


def fail(message: str) -> NoReturn:
    """End the command with 1 and a message on stderr."""
    typer.secho(message, fg=typer.colors.RED, err=True)
    raise typer.Exit(1)
