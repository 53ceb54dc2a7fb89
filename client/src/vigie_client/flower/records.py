# mypy: disable-error-code="import-not-found,misc"
# Flower is in an environment of its own, where types are not checked.
"""A client's record on its way through Flower: put in its reply, and out again."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flwr.app import ConfigRecord, MetricRecord, RecordDict

from vigie_client.attaching import Record, attached
from vigie_client.canonical import canonical

NUMBERS, TEXTS = "vigie", "vigie-texts"
"""The keys of a reply's two further records."""
METRIC = "vigie"
"""The key of the record among the classic API's metrics."""


def attach(content: RecordDict, record: Record) -> None:
    """Put a client's record where a watched strategy finds it, and takes it out again.

    ``record`` is what ``Summary.record`` returns, under the client's pseudonym, or a function that
    returns it. To be called on the client, on the content of its reply. Raises nothing: what
    is wrong with the record, or raised by the function, is logged, and the reply goes without.
    Numbers travel as a ``MetricRecord``, the few texts (pseudonym, cohorts) as a ``ConfigRecord``.
    """
    attached(record, lambda made: content.update(_parts(made)))


def detach(content: RecordDict) -> dict[str, Any] | None:
    """Take the record out of a reply, in place; ``None`` when there is none.

    Raises ``ValueError`` for one that the wire format cannot hold, such as NaN.
    """
    parts = [content.pop(key, None) for key in (NUMBERS, TEXTS)]
    if parts[0] is None or parts[1] is None:
        return None
    record: dict[str, Any] = {}
    for part in parts:
        for path, value in part.items():
            _put(record, path, value)
    return _checked(record)


def to_metric(record: Mapping[str, Any]) -> str:
    """Return the record as a metric of the classic API, for ``metrics[METRIC]``."""
    return canonical(record).decode()


def from_metrics(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Take the record out of a classic reply's metrics, in place; as ``detach``."""
    text = metrics.pop(METRIC, None)
    if text is None:
        return None
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("The record is no JSON object.")  # noqa: TRY004 - of a client's reply
    return _checked(record)


def _parts(record: Mapping[str, Any]) -> dict[str, MetricRecord | ConfigRecord]:
    leaves = dict(_leaves(record))
    texts = {path: value for path, value in leaves.items() if isinstance(value, str)}
    numbers = {path: value for path, value in leaves.items() if path not in texts}
    return {NUMBERS: MetricRecord(numbers), TEXTS: ConfigRecord(texts)}


def _leaves(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values: ``metrics/loss_sum``, and ``confusion[2]`` for a matrix of 2 rows."""
    for key, value in block.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/")
        elif isinstance(value, list) and value and isinstance(value[0], list):
            yield f"{path}[{len(value)}]", [number for row in value for number in row]
        else:
            yield path, value


def _put(record: dict[str, Any], path: str, value: object) -> None:
    *blocks, last = path.split("/")
    for block in blocks:
        record = record.setdefault(block, {})
    name, bracket, rows = last.removesuffix("]").partition("[")
    record[name] = _rows(value, int(rows)) if bracket else _plain(value)


def _rows(values: object, rows: int) -> list[list[Any]]:
    if not isinstance(values, list):
        raise ValueError("A matrix is not sent as a list.")  # noqa: TRY004 - of a client's reply
    width, rest = divmod(len(values), max(rows, 1))
    if rest or not width:
        raise ValueError(f"A matrix of {len(values)} numbers cannot have {rows} rows.")
    return [values[at : at + width] for at in range(0, len(values), width)]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, list) else value


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    canonical(record)
    return record
