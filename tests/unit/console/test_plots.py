"""Plots say in words and tables what they draw."""

import re
import xml.etree.ElementTree as ET

import pytest

from app.console.plots import SHAPES, Interval, Line, Mark, forest, histograms, line_chart


def parsed(svg: str) -> ET.Element:
    """The drawing as XML, which it has to be."""
    return ET.fromstring(svg)


def test_events_differ_in_shape_and_height_not_only_in_colour() -> None:
    marks = [Mark(3, kind, kind) for kind in SHAPES]
    drawn = parsed(line_chart(Line("t", "nats", [(1, 0.1), (5, 0.2)], 0.05, marks)))
    groups = [g for g in drawn.iter("g") if "mark" in g.get("class", "")]
    shapes = [g.find("path") for g in groups]
    assert len({shape.get("d") for shape in shapes if shape is not None}) == len(SHAPES)
    assert len({shape.get("transform") for shape in shapes if shape is not None}) == len(SHAPES)
    assert [g.findtext("title") for g in groups] == list(SHAPES)


def test_a_line_says_where_it_came_from_and_went() -> None:
    drawn = parsed(line_chart(Line("Log loss <x>", "nats", [(1, 0.1), (5, -0.2)], 0.05)))
    assert drawn.findtext("title") == "Log loss <x>"
    assert drawn.findtext("desc") == "From +0.1 to -0.2 nats over 2 rounds."


def test_a_histogram_has_its_shares_as_a_table() -> None:
    figure = histograms("Score", "probability", [0, 0.5, 1], [3, 1], [10, 30])
    assert figure is not None
    assert figure.columns == ("Bin (probability)", "Reference", "This round")
    assert figure.rows == [("0 to 0.5", "75.0%", "25.0%"), ("0.5 to 1", "25.0%", "75.0%")]
    assert len(parsed(figure.svg).findall("rect")) == 2


def test_nothing_counted_is_no_histogram() -> None:
    assert histograms("Score", "probability", [0, 1], [0], [5]) is None
    assert histograms("Score", "probability", [0, 1], [5], [0]) is None


@pytest.mark.parametrize("interval", [(-0.2, -0.1), (0.1, 0.2), (-0.1, 0.1), (0.0, 0.0)])
def test_a_forest_shows_zero_and_every_interval(interval: tuple[float, float]) -> None:
    lower, upper = interval
    drawn = forest("t", "nats", [Interval("all", (lower + upper) / 2, lower, upper)])
    places = {
        name: [float(x) for x in re.findall(rf'class="{name}" x1="([^"]+)" x2="([^"]+)"', drawn)[0]]
        for name in ("zero", "interval")
    }
    zero, (left, right) = places["zero"][0], places["interval"]
    assert 200 < zero < 720
    assert 200 <= left <= right <= 720
    assert (left < zero) == (lower < 0)
    assert (right > zero) == (upper > 0)
