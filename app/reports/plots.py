"""Figures as plotly reads them, put together by hand: plotly's own classes take most of the time.

Colours are ones that a colour-blind reader tells apart (Okabe & Ito 2008).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evidently.legacy.model.widget import BaseWidgetInfo

BLUE, ORANGE, YELLOW, GREY = "#0072B2", "#D55E00", "#E69F00", "#777777"
Trace = dict[str, Any]


def plot(
    title: str,
    traces: Sequence[Trace],
    *,
    x: str,
    y: str = "",
    lines: Sequence[Trace] = (),
    half: bool = False,
    more: Mapping[str, Any] | None = None,
) -> "BaseWidgetInfo":
    """A figure with axes of these titles, and straight `lines` behind its traces."""
    from evidently.legacy.renderers import html_widgets  # noqa: PLC0415 - imports Evidently

    layout = {
        "xaxis": {"title": {"text": x}},
        "yaxis": {"title": {"text": y}},
        "shapes": list(lines),
        "showlegend": False,
        **(more or {}),
    }
    size = html_widgets.WidgetSize.HALF if half else html_widgets.WidgetSize.FULL
    return html_widgets.plotly_data(title=title, data=list(traces), layout=layout, size=size)


def level(at: float, dash: str = "dash", colour: str = GREY) -> Trace:
    """A horizontal line over the whole width."""
    ends = {"xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at}
    return {"type": "line", **ends, "line": {"dash": dash, "color": colour, "width": 1}}


def upright(at: float, dash: str = "dash", colour: str = GREY) -> Trace:
    """A vertical line over the whole height."""
    ends = {"yref": "paper", "y0": 0, "y1": 1, "x0": at, "x1": at}
    return {"type": "line", **ends, "line": {"dash": dash, "color": colour, "width": 1}}


def points(x: Sequence[Any], y: Sequence[Any], **more: Any) -> Trace:  # noqa: ANN401 - as plotly has it
    """Points, or a line through them (`mode`)."""
    return {"type": "scatter", "x": list(x), "y": list(y), **more}


def bars(name: str, x: Sequence[str], y: Sequence[float], colour: str) -> Trace:
    """Bars side by side with those of other traces."""
    return {
        "type": "bar",
        "name": name,
        "x": list(x),
        "y": list(y),
        "marker": {"color": colour},
    }
