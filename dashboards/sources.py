"""The two data sources, and queries in the form that panels take.

The foundation SDK has no builder for PostgreSQL; these few fields are all that Grafana asks for.
Queries on it read the views `grafana_*` and nothing else.
"""

from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import dashboard as models

# Grafana 11 and newer name the plugin so; `postgres`, its name before, is still understood.
PLUGIN, OLD_PLUGIN = "grafana-postgresql-datasource", "postgres"

Form = Literal["time_series", "table"]


class Sql(variants.Dataquery):
    """One query of a panel on PostgreSQL.

    `time_series` wants the columns `time`, `metric` (the series' name) and `value`, by time.
    """

    def __init__(self, text: str, form: Form, ref_id: str) -> None:
        self.text, self.form, self.ref_id = text.strip(), form, ref_id

    def to_json(self) -> dict[str, object]:
        """The query as Grafana stores it."""
        return {
            "datasource": DATABASE.reference,
            "editorMode": "code",
            "format": self.form,
            "rawQuery": True,
            "rawSql": self.text,
            "refId": self.ref_id,
        }


class _Made(cog.Builder[variants.Dataquery]):
    """Hands a query that is made already to a panel's builder."""

    def __init__(self, query: variants.Dataquery) -> None:
        self._query = query

    def build(self) -> variants.Dataquery:
        return self._query


@dataclass(frozen=True)
class Source:
    """A data source by plugin and uid, as the provisioning files make it."""

    plugin: str
    uid: str

    @property
    def reference(self) -> models.DataSourceRef:
        """How panels name it."""
        return models.DataSourceRef(self.plugin, self.uid)

    def query(self, text: str, form: Form, ref_id: str) -> cog.Builder[variants.Dataquery]:
        """A query of a panel; of Prometheus `series: expression`, where the first word names it."""
        if self is DATABASE:
            return _Made(Sql(text, form, ref_id))
        legend, _, expression = text.partition(": ")
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id)
        return query.range() if form == "time_series" else query.instant()


DATABASE = Source(PLUGIN, "vigie-postgres")
METRICS = Source("prometheus", "vigie-prometheus")


class _Target(models.AnnotationTarget):
    """An annotation's query; Grafana's own type knows only tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._query = Sql(text, "table", "Anno")

    def to_json(self) -> dict[str, object]:
        return self._query.to_json()


class _TargetBuilder(cog.Builder[models.AnnotationTarget]):
    def __init__(self, text: str) -> None:
        self._target = _Target(text)

    def build(self) -> models.AnnotationTarget:
        return self._target


def annotation(name: str, color: str, text: str) -> builders.AnnotationQuery:
    """Marks on the time axis. The query's columns are `time`, `text` and `tags`."""
    query = builders.AnnotationQuery().name(name).datasource(DATABASE.reference).enable(True)
    return query.icon_color(color).target(_TargetBuilder(text))


def variable(name: str, label: str, text: str) -> builders.QueryVariable:
    """A variable that takes its values from a query of one column."""
    made = builders.QueryVariable(name).label(label).datasource(DATABASE.reference)
    return made.query(text.strip()).refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
