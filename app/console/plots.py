"""Small charts as SVG, made here: no script, no style attribute, a title and words for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 240, 56, 28, 16, 12
FOREST_LEFT, FOREST_ROW, FOREST_BOTTOM = 200, 30, 44
# A shape of its own beside its colour, and a height of its own: marks may share a step.
SHAPES = {
    "incident": (6, "M0 -5L5 4H-5Z"),
    "retraining": (20, "M-4 -4H4V4H-4Z"),
    "promotion": (34, "M0 -5L5 0L0 5L-5 0Z"),
}


@dataclass(frozen=True)
class Mark:
    """An event on the step axis."""

    step: int
    kind: str  # one of SHAPES
    label: str


@dataclass(frozen=True)
class Line:
    """A series over steps, with the band that policy calls practically nothing."""

    title: str
    unit: str
    points: Sequence[tuple[int, float]]
    band: float
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Interval:
    """A row of a forest plot: an estimate with its interval."""

    label: str
    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Look:
    """A sequential test at one look: an estimate with an interval that holds at all of them."""

    FIELDS = ("rounds", "clients", "log_loss", "lower", "upper", "e_superior")

    rounds: int
    clients: int
    log_loss: float
    lower: float
    upper: float
    e_superior: float


@dataclass(frozen=True)
class Figure:
    """A plot, and the same values as a table."""

    svg: Markup
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Axes:
    """Maps data to the drawing."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.x0, self.x1 = _spread(min(xs), max(xs))
        self.y0, self.y1 = _spread(min(ys), max(ys))

    def x(self, value: float) -> float:
        """The horizontal place of a value."""
        return round(LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """The vertical place of a value."""
        height = HEIGHT - TOP - BOTTOM
        return round(TOP + (self.y1 - value) / (self.y1 - self.y0) * height, 1)


def line_chart(line: Line) -> Markup:
    """A line over steps, the practical band behind it, events as vertical marks."""
    if not line.points:
        return Markup("")
    steps = [step for step, _ in line.points]
    values = [value for _, value in line.points]
    axes = Axes([*steps, *(mark.step for mark in line.marks)], [*values, line.band, -line.band])
    top, bottom = axes.y(line.band), axes.y(-line.band)
    parts = [
        f'<rect class="band" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}"'
        f' height="{round(bottom - top, 1)}"/>',
        *_grid(axes, line.unit),
        *(_mark(mark, axes) for mark in line.marks),
        _path("series", [(axes.x(step), axes.y(value)) for step, value in line.points]),
        *(
            f'<circle class="point" cx="{axes.x(step)}" cy="{axes.y(value)}" r="2.5">'
            f"<title>step {step}: {value:+.3g} {escape(line.unit)}</title></circle>"
            for step, value in line.points
        ),
    ]
    words = f"From {values[0]:+.3g} to {values[-1]:+.3g} {line.unit} over {len(values)} rounds."
    return drawing(line.title, words, parts, HEIGHT)


def histograms(
    title: str, unit: str, edges: Sequence[float], reference: Sequence[float], now: Sequence[float]
) -> Figure | None:
    """Two distributions on the same bins: the reference filled, the round as an outline."""
    if not sum(reference) or not sum(now):
        return None
    before = [count / sum(reference) for count in reference]
    after = [count / sum(now) for count in now]
    axes = Axes(list(edges), [0.0, *before, *after])
    bars = [
        f'<rect class="reference" x="{axes.x(edges[i])}" y="{axes.y(share)}"'
        f' width="{max(axes.x(edges[i + 1]) - axes.x(edges[i]) - 1, 1):.1f}"'
        f' height="{axes.y(0) - axes.y(share):.1f}"/>'
        for i, share in enumerate(before)
    ]
    outline = [
        point
        for i, share in enumerate(after)
        for point in ((axes.x(edges[i]), axes.y(share)), (axes.x(edges[i + 1]), axes.y(share)))
    ]
    words = (
        f"Shares over {edges[0]:g} to {edges[-1]:g} {unit}; filled: reference, line: this round."
    )
    parts = [*_grid(axes, "share of examples"), *bars, _path("series", outline)]
    return Figure(
        svg=drawing(title, words, parts, HEIGHT),
        caption=f"Share of examples by {unit}. Filled: reference. Line: this round.",
        columns=(f"Bin ({unit})", "Reference", "This round"),
        rows=[
            (f"{edges[i]:g} to {edges[i + 1]:g}", f"{before[i]:.1%}", f"{after[i]:.1%}")
            for i in range(len(before))
        ],
    )


def forest(title: str, unit: str, rows: Sequence[Interval]) -> Markup:
    """Estimates with their intervals around zero, one row each; below zero is better."""
    if not rows:
        return Markup("")
    floor_ = TOP + FOREST_ROW * len(rows)
    low, high = min(row.lower for row in rows), max(row.upper for row in rows)
    # Zero keeps some room on both sides, for what the sides mean.
    reach = max(abs(low), abs(high)) or 1.0
    x0, x1 = _spread(min(low, -0.25 * reach), max(high, 0.25 * reach))

    def place(value: float) -> float:
        across = (value - x0) / (x1 - x0)
        return round(FOREST_LEFT + across * (WIDTH - FOREST_LEFT - RIGHT), 1)

    lines = [part for i, row in enumerate(rows) for part in _forest_row(row, i, place)]
    ticks = [
        f'<text class="axis" x="{place(t)}" y="{floor_ + 16}" text-anchor="middle">{t:g}</text>'
        for t in round_ticks(x0, x1, 5)
    ]
    sides = [
        f'<line class="zero" x1="{place(0)}" x2="{place(0)}" y1="{TOP - 8}" y2="{floor_}"/>',
        f'<text class="axis" x="{place(0) - 6}" y="{floor_ + 36}" text-anchor="end">'
        "candidate better</text>",
        f'<text class="axis" x="{place(0) + 6}" y="{floor_ + 36}">worse</text>',
        f'<text class="axis" x="0" y="{floor_ + 16}">{escape(unit)}</text>',
    ]
    words = "; ".join(
        f"{r.label}: {r.estimate:+.3g} ({r.lower:+.3g} to {r.upper:+.3g})" for r in rows
    )
    return drawing(title, words, [*sides, *ticks, *lines], floor_ + FOREST_BOTTOM)


def looks(title: str, unit: str, margin: float, found: Sequence[Look]) -> Markup:
    """Estimates with their intervals as they grew; a line at no difference, one at the margin."""
    if not found:
        return Markup("")
    ends = [end for one in found for end in (one.lower, one.upper)]
    axes = Axes([one.rounds for one in found], [*ends, margin, 0.0])
    across = f'x1="{LEFT}" x2="{WIDTH - RIGHT}"'
    parts = [
        *_grid(axes, unit, whole=True),
        f'<line class="zero" {across} y1="{axes.y(0)}" y2="{axes.y(0)}"/>',
        f'<line class="margin" {across} y1="{axes.y(margin)}" y2="{axes.y(margin)}"/>',
        *(_look(one, axes) for one in found),
    ]
    last = found[-1]
    words = (
        f"After {last.rounds} rounds {last.log_loss:+.3g} {unit},"
        f" between {last.lower:+.3g} and {last.upper:+.3g}."
    )
    return drawing(title, words, parts, HEIGHT)


def _look(one: Look, axes: Axes) -> str:
    x = axes.x(one.rounds)
    return (
        f'<line class="interval" x1="{x}" x2="{x}" y1="{axes.y(one.upper)}"'
        f' y2="{axes.y(one.lower)}"/>'
        f'<circle class="estimate" cx="{x}" cy="{axes.y(one.log_loss)}" r="4">'
        f"<title>{one.rounds} rounds: {one.log_loss:+.3g}</title></circle>"
    )


def _forest_row(row: Interval, number: int, place: Callable[[float], float]) -> list[str]:
    y = TOP + FOREST_ROW * number + FOREST_ROW // 2
    return [
        f'<text x="0" y="{y + 4}">{escape(row.label)}</text>',
        f'<line class="interval" x1="{place(row.lower)}" x2="{place(row.upper)}" y1="{y}"'
        f' y2="{y}"/>',
        f'<circle class="estimate" cx="{place(row.estimate)}" cy="{y}" r="5"/>',
    ]


def drawing(title: str, words: str, parts: Sequence[str], height: int) -> Markup:
    """The parts as one picture, with its title and the same in words."""
    # Every text in the parts was escaped where it was put in.
    return Markup(  # noqa: S704
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(words)}</desc>{''.join(parts)}</svg>"
    )


def _grid(axes: Axes, unit: str, *, whole: bool = False) -> list[str]:
    """Ticks on both axes; `whole` has the horizontal one count things."""
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axes.y(t)}" y2="{axes.y(t)}"/>'
        f'<text class="axis" x="{LEFT - 6}" y="{axes.y(t) + 4}" text-anchor="end">{t:g}</text>'
        for t in round_ticks(axes.y0, axes.y1, 4)
    ]
    steps = [
        f'<text class="axis" x="{axes.x(t)}" y="{HEIGHT - 8}" text-anchor="middle">{t:g}</text>'
        for t in round_ticks(axes.x0, axes.x1, 6)
        if not whole or t == int(t)
    ]
    name = f'<text class="axis" x="{LEFT}" y="{TOP - 4}">{escape(unit)}</text>'
    return [*lines, *steps, name]


def round_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two bounds, about so many: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = ceil(low / step)
    return [round(n * step, 12) for n in range(first, floor(high / step) + 1)]


def _mark(mark: Mark, axes: Axes) -> str:
    x = axes.x(mark.step)
    height, shape = SHAPES[mark.kind]
    return (
        f'<g class="mark {mark.kind}"><title>{escape(mark.label)}</title>'
        f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<path d="{shape}" transform="translate({x} {TOP + height})"/></g>'
    )


def _path(name: str, points: Sequence[tuple[float, float]]) -> str:
    d = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    return f'<path class="{name}" d="{d}"/>'


def _spread(low: float, high: float) -> tuple[float, float]:
    """Bounds with some room, and never of zero width."""
    assert isfinite(low) and isfinite(high)  # noqa: PT018 - one fact: what is plotted is a number
    room = (high - low) * 0.04 or 0.5
    return low - room if low < 0 else low, high + room
