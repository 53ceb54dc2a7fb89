"""The kinds of panel that the dashboards are made of, each set up once.

Every panel says in its description how to read its number and in which unit.
"""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models

from dashboards import palette, sql

Steps = Sequence[tuple[float | None, str]]


def number(title: str, description: str, query: str, steps: Steps, unit: str) -> stat.Panel:
    """One number. `steps` are (from this value on, colour); the first value is None."""
    panel = stat.Panel().title(title).description(description).datasource(sql.source())
    panel = panel.with_target(sql.Query(query, "table")).unit(unit).thresholds(_steps(steps))
    newest = common.ReduceDataOptions().calcs(["lastNotNull"])
    panel = panel.graph_mode(choices.BigValueGraphMode.NONE).reduce_options(newest)
    return panel.no_value("none")


def lines(title: str, description: str, query: str, unit: str) -> timeseries.Panel:
    """Lines over time, a point for each value, the newest values in the legend."""
    panel = timeseries.Panel().title(title).description(description).datasource(sql.source())
    panel = panel.with_target(sql.Query(query)).unit(unit).legend(_legend()).tooltip(_tooltip())
    panel = panel.show_points(choices.VisibilityMode.ALWAYS).point_size(6).line_width(1)
    return panel.color_scheme(_fixed(palette.ORANGE)).span_nulls(True)


def bars(title: str, description: str, query: str, colors: Mapping[str, str]) -> timeseries.Panel:
    """Stacked counts over time; `colors` maps a series' name to its colour."""
    panel = lines(title, description, query, "short").draw_style(choices.GraphDrawStyle.BARS)
    panel = panel.fill_opacity(80).show_points(choices.VisibilityMode.NEVER).min(0).decimals(0)
    panel = panel.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL))
    for name, color in colors.items():
        panel = panel.override_by_name(name, [_color(color)])
    return panel


def ribbon(
    title: str, description: str, query: str, names: Mapping[int, tuple[str, str]]
) -> statetimeline.Panel:
    """States over time, one ribbon a series; `names` maps a value to (text, colour)."""
    panel = statetimeline.Panel().title(title).description(description).datasource(sql.source())
    panel = panel.with_target(sql.Query(query)).mappings([_mapping(names)])
    return panel.show_value(choices.VisibilityMode.NEVER).legend(_legend()).tooltip(_tooltip())


def rows(title: str, description: str, query: str) -> table.Panel:
    """A table as the query returns it."""
    panel = table.Panel().title(title).description(description).datasource(sql.source())
    return panel.with_target(sql.Query(query, "table")).no_value("")


def colored(panel: timeseries.Panel, colors: Mapping[str, str]) -> timeseries.Panel:
    """The panel with the series whose names match a regular expression in that colour."""
    for pattern, color in colors.items():
        panel = panel.override_by_regexp(f"/{pattern}/", [_color(color)])
    return panel


def with_limit(panel: timeseries.Panel, value: float) -> timeseries.Panel:
    """The panel with a dashed line at `value`."""
    style = common.GraphThresholdsStyleConfig().mode(choices.GraphThresholdsStyleMode.DASHED)
    steps = _steps([(None, palette.GREY), (value, palette.VERMILION)])
    return panel.thresholds(steps).thresholds_style(style)


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


def _fixed(color: str) -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(color)


def _color(color: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
