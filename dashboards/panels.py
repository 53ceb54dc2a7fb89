"""The kinds of panel that the dashboards are made of, each set up once.

Every panel says in its description how to read its number and in which unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import text as texts

from dashboards import palette
from dashboards.sources import Form, Source

Steps = Sequence[tuple[float | None, str]]
Colors = Mapping[str, str]
RIBBON_POINTS = 250  # colours narrower than 4 pixels say nothing
LIMIT, INTERVAL = "threshold", ("lower", "upper")


Kind = TypeVar(
    "Kind", barchart.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel
)


@dataclass(frozen=True)
class Column:
    """How a table shows a column: its unit, colours by value, a link, or words for numbers."""

    unit: str = ""
    steps: Steps = ()
    link: tuple[str, str] | None = None  # what it says, and the address
    names: Mapping[int, tuple[str, str]] | None = None


def number(
    title: str, description: str, source: Source, *queries: str, steps: Steps, unit: str = "short"
) -> stat.Panel:
    """One number. `steps` are (from this value on, colour); the first value is None."""
    panel = _asking(stat.Panel(), title, description, source, queries, "table")
    panel = panel.unit(unit).thresholds(_steps(steps)).no_value("none yet")
    newest = common.ReduceDataOptions().calcs(["lastNotNull"])
    return panel.graph_mode(choices.BigValueGraphMode.NONE).reduce_options(newest)


def word(
    title: str, description: str, source: Source, query: str, names: Mapping[int, tuple[str, str]]
) -> stat.Panel:
    """One number that stands for a word; `names` maps it to (text, colour)."""
    panel = number(title, description, source, query, steps=[(None, palette.GREY)])
    return panel.mappings([_mapping(names)]).color_mode(choices.BigValueColorMode.BACKGROUND)


def lines(
    title: str, description: str, source: Source, *queries: str, unit: str = "short"
) -> timeseries.Panel:
    """Lines over time, a point for each value; a series named `threshold` is dashed."""
    panel = _asking(timeseries.Panel(), title, description, source, queries)
    panel = panel.unit(unit).legend(_legend()).tooltip(_tooltip()).span_nulls(True)
    panel = panel.show_points(choices.VisibilityMode.AUTO).point_size(5).line_width(1)
    panel = panel.color_scheme(_shades()).axis_border_show(False)
    return panel.override_by_regexp(f"/{LIMIT}/", _dashed(palette.VERMILION))


def band(
    title: str, description: str, source: Source, *queries: str, unit: str = "short"
) -> timeseries.Panel:
    """Lines with the area between the series `lower` and `upper` filled."""
    panel = lines(title, description, source, *queries, unit=unit)
    low, high = INTERVAL
    edge = [*color(palette.SKY), models.DynamicConfigValue("custom.lineWidth", 0)]
    filled = [
        models.DynamicConfigValue("custom.fillBelowTo", low),
        models.DynamicConfigValue("custom.fillOpacity", 30),
    ]
    return panel.override_by_name(high, [*edge, *filled]).override_by_name(low, edge)


def bars(
    title: str, description: str, source: Source, *queries: str, unit: str = "short"
) -> timeseries.Panel:
    """Stacked counts over time."""
    panel = lines(title, description, source, *queries, unit=unit)
    panel = panel.draw_style(choices.GraphDrawStyle.BARS).fill_opacity(80).min(0)
    panel = panel.show_points(choices.VisibilityMode.NEVER)
    return panel.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL))


def compared(
    title: str, description: str, source: Source, query: str, *, by: str, unit: str
) -> barchart.Panel:
    """Bars side by side for each value of the column `by`."""
    panel = _asking(barchart.Panel(), title, description, source, [query], "table")
    panel = panel.unit(unit).x_field(by).legend(_legend()).tooltip(_tooltip())
    panel = panel.x_tick_label_rotation(-45).x_tick_label_max_length(24)
    return panel.color_scheme(_shades()).group_width(0.8).bar_width(0.9)


def ribbon(
    title: str,
    description: str,
    source: Source,
    query: str,
    names: Mapping[int, tuple[str, str]],
) -> statetimeline.Panel:
    """States over time, one ribbon a series; `names` maps a value to (text, colour)."""
    panel = _asking(statetimeline.Panel(), title, description, source, [query])
    panel = panel.mappings([_mapping(names)]).show_value(choices.VisibilityMode.NEVER)
    panel = panel.max_data_points(RIBBON_POINTS)
    return panel.legend(_legend()).tooltip(_tooltip())


def rows(
    title: str, description: str, source: Source, query: str, columns: Mapping[str, Column]
) -> table.Panel:
    """A table of exactly these columns, in this order."""
    panel = _asking(table.Panel(), title, description, source, [query], "table").no_value("")
    order = {"indexByName": {name: at for at, name in enumerate(columns)}}
    panel = panel.with_transformation(models.DataTransformerConfig("organize", options=order))
    for name, column in columns.items():
        shown = list(_shown(column))
        if shown:
            panel = panel.override_by_name(name, shown)
    return panel


def matrix(
    title: str, description: str, source: Source, query: str, *, shape: tuple[str, str, str]
) -> table.Panel:
    """A heat map: one row and one column for each value, coloured cells; `shape` names the three.

    Grafana's own heat map wants numbers on both axes; a table of coloured cells takes words.
    """
    row, column, value = shape
    panel = _asking(table.Panel(), title, description, source, [query], "table")
    options = {"rowField": row, "columnField": column, "valueField": value, "emptyValue": "null"}
    panel = panel.with_transformation(
        models.DataTransformerConfig("groupingToMatrix", options=options)
    )
    cells = choices.TableColoredBackgroundCellOptions(
        mode=choices.TableCellBackgroundDisplayMode.BASIC
    )
    return panel.cell_options(cells).no_value("").unit("none").decimals(2)


def words(title: str, description: str, markdown: str) -> text.Panel:
    """Text that people read beside the numbers."""
    panel = text.Panel().title(title).description(description)
    return panel.mode(texts.TextMode.MARKDOWN).content(markdown)


def stepped(panel: table.Panel, steps: Steps) -> table.Panel:
    """The table with its cells coloured by value."""
    return panel.thresholds(_steps(steps))


def color(fixed: str) -> list[models.DynamicConfigValue]:
    """What gives a series that colour."""
    return [models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": fixed})]


def colored(panel: timeseries.Panel, colors: Colors) -> timeseries.Panel:
    """The panel with the series whose names match a regular expression in that colour."""
    for pattern, fixed in colors.items():
        panel = panel.override_by_regexp(f"/{pattern}/", color(fixed))
    return panel


def _asking(
    panel: Kind,
    title: str,
    description: str,
    source: Source,
    queries: Sequence[str],
    form: Form = "time_series",
) -> Kind:
    panel.title(title).description(description).datasource(source.reference)
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(source.query(query, form, letter))
    return panel


def _shown(column: Column) -> Sequence[models.DynamicConfigValue]:
    shown: list[models.DynamicConfigValue] = []
    if column.unit:
        shown.append(models.DynamicConfigValue("unit", column.unit))
    if column.steps:
        shown.append(models.DynamicConfigValue("thresholds", _steps(column.steps).build()))
        shown.append(models.DynamicConfigValue("custom.cellOptions", {"type": "color-background"}))
    if column.names is not None:
        shown.append(models.DynamicConfigValue("mappings", [_mapping(column.names)]))
    if column.link is not None:
        says, address = column.link
        link = {"title": says, "url": address, "targetBlank": address.startswith("${console")}
        shown.append(models.DynamicConfigValue("links", [link]))
    return shown


def _steps(steps: Steps) -> builders.ThresholdsConfig:
    made = [models.Threshold(value, color) for value, color in steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)


def _mapping(names: Mapping[int, tuple[str, str]]) -> models.ValueMap:
    results = {
        str(value): models.ValueMappingResult(text, color, index=index)
        for index, (value, (text, color)) in enumerate(names.items())
    }
    return models.ValueMap(results)


def _legend() -> common.VizLegendOptions:
    options = common.VizLegendOptions().show_legend(True)
    options = options.display_mode(choices.LegendDisplayMode.LIST)
    return options.placement(choices.LegendPlacement.BOTTOM)


def _tooltip() -> common.VizTooltipOptions:
    options = common.VizTooltipOptions().mode(choices.TooltipDisplayMode.MULTI)
    return options.sort(choices.SortOrder.DESCENDING)


def _shades() -> builders.FieldColor:
    """Series whose names nobody knows beforehand differ by lightness, which everybody sees."""
    shades = builders.FieldColor().mode(models.FieldColorModeId.SHADES)
    return shades.fixed_color(palette.BLUE)


def _dashed(fixed: str) -> list[models.DynamicConfigValue]:
    style = models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]})
    return [*color(fixed), style, models.DynamicConfigValue("custom.showPoints", "never")]
