"""`vigie policy`: a federation's policy as YAML, read from and applied to a running service."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected, fail
from app.federations.policy import Policy, document_of
from app.federations.policy.showing import commented_defaults, differing
from app.federations.policy.yaml_text import MOST_BYTES, PolicyTextError, read, write

if TYPE_CHECKING:
    from app.commands.policy_service import Plan, PolicyService

cli = typer.Typer(
    help="The policy: what counts as drift, what is serious, when to retrain.", no_args_is_help=True
)

STDIN = Path("-")
WOULD_CHANGE = 3

File = Annotated[Path, typer.Argument(help="The policy as YAML or JSON; - reads standard input.")]


@cli.command()
def show(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    version: Annotated[
        int | None, typer.Option(min=1, max=2**31 - 1, help="One from the history.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Defaults too.")] = False,
    as_json: Json = False,
) -> None:
    """Print the policy in force, as YAML that `apply` takes: what differs from the defaults.

    For example:

        vigie policy show -f flights > policy.yaml

        vigie policy show -f flights --version 3 --full
    """
    with _service(url, key, federation) as service:
        found = service.version(version)
    policy = Policy.model_validate(found["policy"])
    document = document_of(policy) if full else differing(policy)
    if as_json:
        typer.echo(json.dumps(document))
        return
    left_out = "" if full else "; what is left out has its default"
    typer.echo(f"# Policy of {federation}, version {found['version']}{left_out}.")
    typer.echo(write(document), nl=False)


@cli.command()
def history(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest versions, newest first: who set them, when and why.

    For example:

        vigie policy history -f flights -n 5
    """
    with _service(url, key, federation) as service:
        found = service.versions(limit)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for row in found:
        when = row["set_at"][:19].replace("T", " ")
        why = f": {row['why']}" if row["why"] else ""
        typer.echo(f"{row['version']}  {when} UTC  {row['set_by']}{why}  ({row['sha256'][:12]})")


@cli.command()
def check(file: File) -> None:
    """Say whether a file is a policy, and what is wrong with it, line by line; asks no service.

    Exits with 1 if it is none. For example:

        vigie policy check policy.yaml
    """
    _read(file)
    typer.echo(f"{file} is a policy.")


@cli.command()
def diff(
    file: File, federation: Federation, key: Key, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """Show what applying a file would change; changes nothing.

    Exits with 0 if nothing would change, 3 if something would, 1 if the file is no policy or the
    service refuses it. For example:

        vigie policy diff policy.yaml -f flights
    """
    written = _read(file)
    with _service(url, key, federation) as service:
        plan = service.plan(written)
    if as_json:
        typer.echo(json.dumps(plan.changes))
    else:
        _print_plan(federation, plan)
    if plan.changes:
        raise typer.Exit(WOULD_CHANGE)


@cli.command()
def apply(
    file: File,
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    why: Annotated[str | None, typer.Option(help="Goes into the history.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Show what a file would change, ask, and put it in force under the next version number.

    What the file leaves out takes its default, and not the value before. Where nothing would
    change, nothing is done; where somebody sets another policy meanwhile, neither. For example:

        vigie policy apply policy.yaml -f flights --why "hours swing with the season"

        vigie policy apply policy.yaml -f flights --yes
    """
    if file == STDIN and not yes:
        raise typer.BadParameter("A policy from standard input needs --yes.")
    written = _read(file)
    with _service(url, key, federation) as service:
        plan = service.plan(written)
        _print_plan(federation, plan)
        if not plan.changes:
            return
        if not yes:
            typer.confirm("Put it in force?", abort=True)
        version = service.put(written, plan.version, why)
    typer.echo(f"Version {version} is in force.")


@cli.command()
def defaults() -> None:
    """Print every field with its default, as YAML with what it does; asks no service.

    For example:

        vigie policy defaults > policy.yaml
    """
    typer.echo(commented_defaults(), nl=False)


@cli.command()
def proposals(
    federation: Federation, key: Key, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List the changes that false alarms speak for, each with what it would have done so far.

    For example:

        vigie policy proposals -f flights
    """
    with _service(url, key, federation) as service:
        found = service.proposals()
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        typer.echo(f"{one['id']}  {one['state']}: {one['field']} {one['before']} -> {one['after']}")
        typer.echo(f"  spares {one['false_alarms_spared']} false alarms; {_backtest(one)}")


@cli.command()
def accept(
    proposal: Annotated[str, typer.Argument(help="The proposal's id.")],
    federation: Federation,
    key: Key,
    why: Annotated[str, typer.Option(help="Goes into the history.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Put a proposed change in force, under your name.

    For example:

        vigie policy accept 0d6f3f0e-64f2-4a55-8a53-2f6d1f9c1b7e -f flights --why "nobody acts"
    """
    with _service(url, key, federation) as service:
        done = service.decide(proposal, "accept", why)
    typer.echo(f"{done['field']} is {done['after']} from now on.")


@cli.command()
def dismiss(
    proposal: Annotated[str, typer.Argument(help="The proposal's id.")],
    federation: Federation,
    key: Key,
    why: Annotated[str, typer.Option(help="Kept with it.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Let a proposed change be; the same is not proposed again.

    For example:

        vigie policy dismiss 0d6f3f0e-64f2-4a55-8a53-2f6d1f9c1b7e -f flights --why "a holiday"
    """
    with _service(url, key, federation) as service:
        done = service.decide(proposal, "dismiss", why)
    typer.echo(f"{done['field']} stays at {done['before']}.")


def _backtest(proposal: dict[str, Any]) -> str:
    if proposal["backtest"] is None:
        return proposal["backtest_error"] or "its backtest is under way"
    counts = proposal["backtest"]["counts"]
    return (
        f"of {proposal['backtest']['rounds']} rounds: would spare {counts['spared']} incidents,"
        f" open {counts['opened']} others, {counts['same']} are the same"
    )


@contextmanager
def _service(url: str, key: str, federation: str) -> Iterator["PolicyService"]:
    """The federation's policy; whatever goes wrong ends the command, as `connected` has it."""
    from app.commands.policy_service import (  # noqa: PLC0415 - httpx, only when used
        PolicyService,
    )

    with connected(url, key, federation) as api:
        yield PolicyService(api)


def _read(file: Path) -> dict[str, Any]:
    """The policy as it was written; ends the command with 1 if it is none."""
    try:
        with sys.stdin.buffer if file == STDIN else file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from error
    try:
        written, _ = read(data)
    except PolicyTextError as error:
        fail("\n".join([f"{file} is no policy:", *(f"  {line}" for line in error.lines)]))
    return written


def _print_plan(federation: str, plan: "Plan") -> None:
    if not plan.changes:
        typer.echo(f"Nothing would change: version {plan.version} of {federation} says the same.")
        return
    typer.echo(f"Against version {plan.version} of {federation}:")
    for change in plan.changes:
        before, after = (_told(change[side]) for side in ("before", "after"))
        typer.echo(f"  {change['field']}: {before} -> {after}")


def _told(value: object) -> str:
    return "none" if value is None else json.dumps(value)
