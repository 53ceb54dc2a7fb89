"""A ribbon of verdicts as SVG: a row for each subject, a mark for each round."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from app.console.plots import RIGHT, TOP, WIDTH, drawing

NAMES, ROW, FOOT, GAP = 130, 34, 26, 6
MOST_TICKS = 8
# A height of its own beside its colour, so that nobody has to tell colours apart.
SHARES = {"drift": 1.0, "warning": 0.6, "stable": 0.25, "insufficient_evidence": 0.12}


@dataclass(frozen=True)
class Cell:
    """The verdict on one subject in one round."""

    row: int
    column: int
    outcome: str  # one of SHARES
    step: int


def ribbon(
    title: str, subjects: Sequence[str], steps: Sequence[int], cells: Sequence[Cell]
) -> Markup:
    """The cells in their rows, the newest round on the right."""
    width = (WIDTH - NAMES - RIGHT) / len(steps)
    floor = TOP + ROW * len(subjects)
    every = -(-len(steps) // MOST_TICKS)
    parts = [
        *(_row(name, TOP + ROW * (at + 1) - GAP) for at, name in enumerate(subjects)),
        *(_cell(one, width) for one in cells),
        *(
            f'<text class="axis" x="{NAMES + width * (at + 0.5):.1f}" y="{floor + 14}"'
            f' text-anchor="middle">{step}</text>'
            for at, step in enumerate(steps)
            if at % every == 0
        ),
    ]
    drifting = sum(one.outcome == "drift" for one in cells)
    words = f"{len(steps)} rounds, steps {steps[0]} to {steps[-1]}; {drifting} verdicts of drift."
    return drawing(title, words, parts, floor + FOOT)


def _row(name: str, y: int) -> str:
    return (
        f'<text x="0" y="{y - 4}">{escape(name)}</text>'
        f'<line class="grid" x1="{NAMES}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    )


def _cell(cell: Cell, width: float) -> str:
    height = (ROW - 2 * GAP) * SHARES[cell.outcome]
    y = TOP + ROW * (cell.row + 1) - GAP - height
    return (
        f'<rect class="cell {cell.outcome}" x="{NAMES + width * cell.column + 0.5:.1f}"'
        f' y="{y:.1f}" width="{max(width - 1, 1):.1f}" height="{height:.1f}">'
        f"<title>step {cell.step}: {escape(cell.outcome.replace('_', ' '))}</title></rect>"
    )
