"""What the variables on top of a dashboard choose, as SQL; `$__...` are Grafana's macros.

`received_at`, the service's own clock, is the time axis everywhere, so that rounds, verdicts,
retraining and promotions line up. Filters compare columns that are indexed.
"""

EVERYONE = "everyone"  # the whole federation, among its cohorts

# An array, since nothing chosen would leave `IN ()`, which is no SQL.
MODELS = "federation = ${federation:sqlstring} AND model = ANY (ARRAY[${model:sqlstring}]::text[])"
# A push refused as a whole belongs to no model.
MODELS_OR_NONE = (
    "federation = ${federation:sqlstring}"
    " AND (model IS NULL OR model = ANY (ARRAY[${model:sqlstring}]::text[]))"
)
FEDERATION = "federation = ${federation:sqlstring}"
VERSIONS = f"{MODELS} AND version = ANY (ARRAY[${{version:sqlstring}}]::text[])"
COHORT = "cohort = ${cohort:sqlstring}"
# The same on an indexed column: the whole federation's key is empty.
COHORT_KEY = "scope_key = replace(${cohort:sqlstring}, 'everyone', '')"
WHOLE = "scope_key = ''"
SUBJECT = "subject = ${subject:sqlstring}"
# Labels are judged class by class, and skew is a feature's: they share its distribution.
DISTRIBUTION = (
    "subject = regexp_replace(regexp_replace(${subject:sqlstring}, '^skew:', 'feature:'),"
    " '^(label|prediction):.*', '\\1')"
)


def within(column: str = "received_at") -> str:
    """The dashboard's time range, on a column."""
    return f"$__timeFilter({column})"


def bucket(column: str = "received_at") -> str:
    """The interval of the time axis that a row falls into: one point of a line, and not all rows.

    `date_bin` on whole milliseconds; Grafana's own macro divides a numeric, which takes 3 times as
    long over 100,000 rows.
    """
    return f"date_bin('$__interval_ms milliseconds', {column}, 'epoch') AS time"
