"""SQL on the data source PostgreSQL, in the forms that panels, variables and annotations take.

The foundation SDK has no builder for PostgreSQL; these few fields are all that Grafana asks for.
Queries read the views `grafana_*` and nothing else.
"""

from typing import Literal

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import dashboard as models

# The name and the uid under which the provisioning files make it.
PLUGIN, UID = "grafana-postgresql-datasource", "vigie-postgres"

Format = Literal["time_series", "table"]


def source() -> models.DataSourceRef:
    """The data source that every query here goes to."""
    return models.DataSourceRef(PLUGIN, UID)


class Sql(variants.Dataquery):
    """One query of a panel.

    `time_series` wants the columns `time`, `metric` (the series' name) and `value`, by time.
    """

    def __init__(self, text: str, form: Format, ref_id: str) -> None:
        self.text, self.form, self.ref_id = text, form, ref_id

    def to_json(self) -> dict[str, object]:
        """The query as Grafana stores it."""
        return {
            "datasource": source(),
            "editorMode": "code",
            "format": self.form,
            "rawQuery": True,
            "rawSql": self.text,
            "refId": self.ref_id,
        }


class Query(cog.Builder[variants.Dataquery]):
    """Hands a `Sql` to a panel's builder."""

    def __init__(self, text: str, form: Format = "time_series", ref_id: str = "A") -> None:
        self._query = Sql(text.strip(), form, ref_id)

    def build(self) -> variants.Dataquery:
        """The query."""
        return self._query


class _Target(models.AnnotationTarget):
    """An annotation's query; Grafana's own type knows only tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._query = Sql(text, "table", "Anno")

    def to_json(self) -> dict[str, object]:
        """The query as Grafana stores it."""
        return self._query.to_json()


class _TargetBuilder(cog.Builder[models.AnnotationTarget]):
    def __init__(self, text: str) -> None:
        self._target = _Target(text.strip())

    def build(self) -> models.AnnotationTarget:
        return self._target


def annotation(name: str, color: str, text: str) -> builders.AnnotationQuery:
    """Marks on the time axis. The query's columns are `time`, `text` and `tags`."""
    query = builders.AnnotationQuery().name(name).datasource(source()).enable(True)
    return query.icon_color(color).target(_TargetBuilder(text))


def variable(name: str, label: str, text: str) -> builders.QueryVariable:
    """A variable that takes its values from a query of one column."""
    made = builders.QueryVariable(name).label(label).datasource(source()).query(text)
    return made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
