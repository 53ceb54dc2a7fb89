"""Pictures of the dashboards: `python -m tests.unit.dashboards.pictures docs/pictures/dashboards`.

Not Grafana: the panels of the committed JSON, each with its own query on what the real service
played (Operations on a real Prometheus that scraped it meanwhile), placed on Grafana's grid and
drawn as plain SVG by this file, photographed by Chromium. They show what each dashboard says; how
Grafana draws it is a little different.
"""

import html
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import sync_playwright
from psycopg.rows import DictRow, dict_row

from app.core import migrations
from app.core.database import Database
from app.core.settings import Settings
from dashboards import commands, expanding, palette
from dashboards.expanding import View
from tests.servers import running_postgres
from tests.unit.dashboards import operations, played, test_queries

Rows = Sequence[DictRow]
Ask = Callable[[Mapping[str, Any]], Rows]  # what a panel's queries find
OPERATIONS = "vigie-operations"
CELL_WIDTH, CELL_HEIGHT, GAP = 56, 34, 6
DAY = 86400  # seconds
SERIES = [
    palette.BLUE, palette.ORANGE, palette.GREEN, palette.VERMILION, palette.PURPLE, palette.SKY,
    palette.GREY, palette.YELLOW,
]  # fmt: skip
STATES = {0: palette.GREY, 1: palette.SKY, 2: palette.ORANGE, 3: palette.VERMILION}
WORDS = {0: "insufficient evidence", 1: "stable", 2: "warning", 3: "drift"}
STYLE = """
body { margin: 0; background: #f4f5f5; font: 11px sans-serif; color: #222; }
h1 { font-size: 17px; margin: 10px 12px 2px; } p { margin: 0 12px 8px; color: #555; }
.grid { position: relative; } .panel, .row { position: absolute; box-sizing: border-box; }
.panel { background: #fff; border: 1px solid #ddd; padding: 4px 6px; overflow: hidden; }
.row { font-weight: bold; padding: 8px 6px; } h2 { font-size: 11px; margin: 0 0 3px; }
.stat { font-size: 24px; font-weight: bold; padding-top: 14px; text-align: center; }
table { border-collapse: collapse; width: 100%; font-size: 9.5px; }
td, th { border-bottom: 1px solid #eee; padding: 2px 4px; text-align: left; white-space: nowrap; }
"""


def draw(out: Path) -> None:
    """Play the federations, and write a picture of each dashboard."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, running_postgres(Path(name)) as url:
        database = Database(url)
        migrations.upgrade(database)
        database.dispose()
        settings = Settings(
            data_dir=Path(name), secret="s" * 32, database_url=url, log_level="ERROR"
        )
        with played.played(settings) as play:
            view = View(played.START, play.now + played.STEP, 120, test_queries.CHOSEN)
        with psycopg.connect(url.replace("+psycopg", ""), row_factory=dict_row) as connection:
            ask = partial(_rows, connection=connection, view=view)
            pages = {uid: page(board, ask) for uid, board in boards().items()}
        with operations.asking(Path(name)) as ask:
            pages[OPERATIONS] = page(commands.documents()[OPERATIONS], ask)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        for uid, text in pages.items():
            tab = browser.new_page(viewport={"width": 24 * CELL_WIDTH + 16, "height": 400})
            tab.set_content(text)
            tab.screenshot(path=out / f"{uid}.png", full_page=True)
        browser.close()


def boards() -> dict[str, dict[str, Any]]:
    """Those on the database; Operations is about a running service."""
    made = commands.documents()
    return {uid: board for uid, board in made.items() if uid != OPERATIONS}


def page(board: Mapping[str, Any], ask: Ask) -> str:
    panels = "".join(_placed(panel, ask) for panel in board["panels"])
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in board["panels"])
    style = f"height:{height * CELL_HEIGHT}px"
    head = f"<h1>{html.escape(board['title'])}</h1><p>{html.escape(board['description'])}</p>"
    grid = f"<div class='grid' style='{style}'>{panels}</div>"
    return f"<html><style>{STYLE}</style><body>{head}{grid}</body></html>"


def _placed(panel: Mapping[str, Any], ask: Ask) -> str:
    place = panel["gridPos"]
    width, height = place["w"] * CELL_WIDTH - GAP, place["h"] * CELL_HEIGHT - GAP
    style = (
        f"left:{place['x'] * CELL_WIDTH + 8}px;top:{place['y'] * CELL_HEIGHT}px;"
        f"width:{width}px;height:{height}px"
    )
    title = html.escape(panel["title"])
    if panel["type"] == "row":
        return f"<div class='row' style='{style}'>{title}</div>"
    rows = ask(panel)
    inside = _DRAWN[panel["type"]](panel, rows, (width - 14, height - 26))
    return f"<div class='panel' style='{style}'><h2>{title}</h2>{inside}</div>"


def _rows(panel: Mapping[str, Any], connection: Any, view: View) -> Rows:
    found: list[DictRow] = []
    seen = test_queries.of_subject(view, panel["title"])
    for target in panel.get("targets", ()):
        found += connection.execute(expanding.sql(target["rawSql"], seen)).fetchall()
    return found


def _number(value: object, unit: str = "") -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if not isinstance(value, float | int) or isinstance(value, bool):
        return "" if value is None else str(value)
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit == "s":
        return f"{value / 86400:.1f} d" if value >= 86400 else f"{value:.3g} s"
    shown = unit.removeprefix("suffix:") if unit.startswith("suffix:") else ""
    return f"{value:.3g}{shown}"


def _unit(panel: Mapping[str, Any]) -> str:
    return str(panel.get("fieldConfig", {}).get("defaults", {}).get("unit", ""))


def _stat(panel: Mapping[str, Any], rows: Rows, size: tuple[int, int]) -> str:
    value = next(iter(rows[0].values()), None) if rows else None
    if panel["fieldConfig"]["defaults"].get("mappings"):
        color = STATES[value or 0]
        return f"<div class='stat' style='background:{color};height:60px'>{WORDS[value or 0]}</div>"
    return f"<div class='stat'>{_number(value, _unit(panel)) or 'none yet'}</div>"


def _table(panel: Mapping[str, Any], rows: Rows, size: tuple[int, int]) -> str:
    change = panel["transformations"][0]
    if change["id"] == "groupingToMatrix":
        rows = _matrix(rows, change["options"])
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(map(_cell, row.values()))}</tr>" for row in rows[: size[1] // 17])
    return f"<table><tr>{head}</tr>{body}</table>"


def _matrix(rows: Rows, options: Mapping[str, str]) -> Rows:
    columns = list(dict.fromkeys(row[options["columnField"]] for row in rows))
    names = list(dict.fromkeys(row[options["rowField"]] for row in rows))
    known = {
        (row[options["rowField"]], row[options["columnField"]]): _Ratio(row[options["valueField"]])
        for row in rows
    }
    return [
        {options["rowField"]: name} | {column: known.get((name, column)) for column in columns}
        for name in names
    ]


class _Ratio(float):
    """A cell that is coloured by how many times the threshold it is."""

    def __new__(cls, value: float | None) -> "_Ratio":
        return super().__new__(cls, float("nan") if value is None else value)


def _cell(value: object) -> str:
    color = ""
    if isinstance(value, _Ratio):
        if math.isnan(value):
            return "<td></td>"
        steps = ((2, palette.VERMILION), (1, palette.ORANGE), (0.5, palette.YELLOW))
        color = next((shade for least, shade in steps if value >= least), "")
    return f"<td style='background:{color}'>{html.escape(_number(value))[:48]}</td>"


def _series(rows: Rows) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        found.setdefault(row["metric"], []).append((row["time"].timestamp(), float(row["value"])))
    return found


def _lines(panel: Mapping[str, Any], rows: Rows, size: tuple[int, int]) -> str:
    series = _series(rows)
    if not series:
        return ""
    width, height = size[0] - 46, size[1] - 34
    times = [moment for points in series.values() for moment, _ in points]
    values = [value for points in series.values() for _, value in points]
    bars = panel["fieldConfig"]["defaults"].get("custom", {}).get("drawStyle") == "bars"
    low, high = min([0.0, *values] if bars else values), max(values)
    low, high = low - 0.05 * (high - low or 1) * (not bars), high + 0.05 * (high - low or 1)
    begin, end = min(times), max(times)

    def at(moment: float, value: float) -> tuple[float, float]:
        x = 42 + (moment - begin) / (end - begin or 1) * width
        return x, 4 + (high - value) / (high - low) * height

    drawn = [*_axes(size, low, high, begin, end, _unit(panel))]
    for number, (name, points) in enumerate(series.items()):
        color = palette.VERMILION if "threshold" in name else SERIES[number % len(SERIES)]
        placed = [at(*point) for point in points]
        if bars:
            zero = at(begin, 0)[1]
            drawn += [
                f"<rect x='{x - 2 + number}' y='{y}' width='3' height='{zero - y}' fill='{color}'/>"
                for x, y in placed
            ]
        else:
            dash = " stroke-dasharray='5,4'" if "threshold" in name else ""
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            drawn.append(f"<polyline points='{path}' fill='none' stroke='{color}'{dash}/>")
            drawn += [f"<circle cx='{x}' cy='{y}' r='1.8' fill='{color}'/>" for x, y in placed]
        drawn.append(_legend(number, len(series), name, color, size))
    return _svg(drawn, size)


def _legend(number: int, count: int, name: str, color: str, size: tuple[int, int]) -> str:
    x, y = 4 + number * size[0] / max(count, 1), size[1] - 4
    most = max(8, int(size[0] / max(count, 1) / 5.2))
    shown = html.escape(name if len(name) <= most else f"{name[: most - 1]}…")
    return (
        f"<rect x='{x}' y='{y - 7}' width='7' height='7' fill='{color}'/>"
        f"<text x='{x + 10}' y='{y}'>{shown}</text>"
    )


def _axes(
    size: tuple[int, int], low: float, high: float, begin: float, end: float, unit: str
) -> Iterator[str]:
    width, height = size[0], size[1] - 30
    for part in (0.0, 0.5, 1.0):
        y = 8 + part * (height - 8)
        yield f"<line x1='42' x2='{width}' y1='{y}' y2='{y}' stroke='#eee'/>"
        yield f"<text x='0' y='{y + 3}'>{_number(high - part * (high - low), unit)}</text>"
        day = datetime.fromtimestamp(begin + part * (end - begin), tz=played.START.tzinfo)
        x = 42 + part * (width - 90)
        shown = f"{day:%m-%d}" if end - begin > DAY else f"{day:%H:%M:%S}"
        yield f"<text x='{x}' y='{size[1] - 16}'>{shown}</text>"


def _ribbon(panel: Mapping[str, Any], rows: Rows, size: tuple[int, int]) -> str:
    series = _series(rows)
    times = sorted({moment for points in series.values() for moment, _ in points})
    step = max(5.0, (size[0] - 110) / max(len(times), 1))
    thick = min(22.0, (size[1] - 20) / max(len(series), 1))
    drawn = []
    for number, (name, points) in enumerate(series.items()):
        drawn.append(f"<text x='0' y='{number * thick + thick * 0.7}'>{html.escape(name)}</text>")
        drawn += [
            f"<rect x='{104 + times.index(moment) * step}' y='{number * thick}' width='{step}'"
            f" height='{thick - 2}' fill='{STATES[int(value)]}'/>"
            for moment, value in points
        ]
    drawn += [_legend(at, 4, WORDS[at], STATES[at], size) for at in WORDS]
    return _svg(drawn, size)


def _bars(panel: Mapping[str, Any], rows: Rows, size: tuple[int, int]) -> str:
    by = panel["options"]["xField"]
    names = [name for name in rows[0] if name != by] if rows else []
    values = [float(row[name] or 0) for row in rows for name in names] or [1.0]
    low, high = min(0.0, *values), max(0.0, *values)
    height, scale = size[1] - 44, (high - low) or 1.0
    slot = (size[0] - 46) / max(len(rows), 1)
    drawn = [*_bar_axis(low, high, height, _unit(panel))]
    for place, row in enumerate(rows):
        for number, name in enumerate(names):
            value = float(row[name] or 0)
            top, long = 6 + (high - max(value, 0)) / scale * height, abs(value) / scale * height
            x, wide = (
                44 + slot * (place + 0.1 + 0.8 * number / len(names)),
                0.75 * slot / len(names),
            )
            color = SERIES[number]
            drawn.append(f"<rect x='{x}' y='{top}' width='{wide}' height='{long}' fill='{color}'/>")
        x = 44 + slot * (place + 0.1)
        drawn.append(f"<text x='{x}' y='{size[1] - 22}'>{html.escape(str(row[by]))[:20]}</text>")
    drawn += [
        _legend(number, len(names), name, SERIES[number], size) for number, name in enumerate(names)
    ]
    return _svg(drawn, size)


def _bar_axis(low: float, high: float, height: float, unit: str) -> Iterator[str]:
    for value in (low, high):
        y = 10 + (high - value) / ((high - low) or 1) * height
        yield f"<text x='0' y='{y}'>{_number(value, unit)}</text>"


def _words(panel: Mapping[str, Any], rows: Rows, size: tuple[int, int]) -> str:
    return f"<pre style='white-space:pre-wrap'>{html.escape(panel['options']['content'])}</pre>"


def _svg(drawn: Iterable[str], size: tuple[int, int]) -> str:
    inside = "".join(drawn)
    return f"<svg width='{size[0]}' height='{size[1]}' font-size='9'>{inside}</svg>"


_DRAWN = {
    "stat": _stat,
    "table": _table,
    "timeseries": _lines,
    "state-timeline": _ribbon,
    "barchart": _bars,
    "text": _words,
}

if __name__ == "__main__":
    draw(Path(sys.argv[1]))
