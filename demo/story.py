"""How the demo tells its story on a terminal: a progress bar, and one line per event."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.prompt import Confirm, Prompt
from rich.table import Table

from demo.summary import Errors

SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


class Story:
    """Prints what happens, above a progress bar for the year's weeks."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )

    def heading(self, text: str) -> None:
        """A new part of the story."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def line(self, text: str, style: str = "") -> None:
        """One event."""
        self.console.print(text, style=style, soft_wrap=True)

    def incident(self, week: int, incident: Mapping[str, Any]) -> None:
        """An incident that opened."""
        style = SEVERITY_STYLES[incident["severity"]]
        self.line(f"week {week:>2}: [{style}]{incident['severity']}[/{style}] {incident['title']}")

    def retraining(self, week: int, request: Mapping[str, Any]) -> None:
        """A retraining that was carried out."""
        self.line(
            f"week {week:>2}: retraining asked for and done: version {request['base_version']}"
            f" -> {request['result_version']}, on the"
            f" {request['plan']['window_rounds']} newest weeks"
        )

    def comparison(self, comparison: Mapping[str, Any]) -> None:
        """The canary table."""
        table = Table(title="Canary: both versions on the same flights", title_justify="left")
        for name in ("", "clients", "flights", "champion", "candidate", "difference (95%)"):
            table.add_column(name, justify="left" if not name else "right", no_wrap=True)
        for row in ({**comparison, "cohort": "all carriers"}, *comparison["cohorts"]):
            table.add_row(*_comparison_cells(row))
        self.console.print(table)
        self.line("Log loss in nats per flight; a negative difference favours the candidate.")
        self.line(comparison["recommendation"]["sentence"])

    def ask_validator(self, person: str, candidate: str) -> tuple[bool, str]:
        """Put the question to whoever sits at the terminal; the answer and the reason."""
        yes = Confirm.ask(
            f"You are {person}, the validator. Does version {candidate} become champion?",
            console=self.console,
        )
        return yes, Prompt.ask("Why", default="the canary table", console=self.console)

    def decision(self, week: int, promotion: Mapping[str, Any]) -> None:
        """A promotion that was decided."""
        verb = "rejected" if promotion["state"] == "rejected" else "approved"
        self.line(
            f"week {week:>2}: version {promotion['candidate']} {verb} by"
            f" {promotion['decided_by']} (asked for by {promotion['submitted_by']})"
        )

    def recurring(self, stretches: Iterable[tuple[str, range, Mapping[str, float]]]) -> None:
        """Which version would have fitted best when each champion served."""
        table = Table(
            title="Log loss of every version over each champion's weeks", title_justify="left"
        )
        rows = list(stretches)
        versions = sorted({version for *_, losses in rows for version in losses}, key=int)
        for name in ("weeks", "champion", *(f"version {version}" for version in versions)):
            table.add_column(name, justify="right")
        for champion, weeks, losses in rows:
            cells = (_loss_cell(losses, version) for version in versions)
            table.add_row(f"{weeks[0]}-{weeks[-1]}", champion, *cells)
        self.console.print(table)

    def errors(self, errors: Errors) -> None:
        """What the first promotion bought."""
        if errors.after is None or errors.if_not_retrained is None:
            self.line("No version was promoted this year.")
            return
        self.line(
            f"Over weeks {errors.weeks[0]} to {errors.weeks[-1]}: log loss {errors.after:.4f}"
            f" with the new champion, {errors.if_not_retrained:.4f} if nothing had been retrained"
            f" ({errors.before:.4f} in the reference weeks)."
        )


def _loss_cell(losses: Mapping[str, float], version: str) -> str:
    if version not in losses:
        return ""
    text = f"{losses[version]:.3f}"
    return f"[green]{text}[/green]" if losses[version] == min(losses.values()) else text


def _comparison_cells(row: Mapping[str, Any]) -> Sequence[str]:
    difference, gap = row["difference"], "-"
    if difference is not None:
        half = (difference["upper"] - difference["lower"]) / 2
        gap = f"{difference['log_loss']:+.3f} ± {half:.3f}"
    return (
        str(row["cohort"]).partition("=")[2] or str(row["cohort"]),
        str(row["clients"]),
        f"{row['examples']:,}",
        f"{row['champion_measured']['log_loss']:.4f}",
        f"{row['candidate_measured']['log_loss']:.4f}",
        gap,
    )
