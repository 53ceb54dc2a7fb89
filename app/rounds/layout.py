"""The columns of client records: one name, one type and one length for each field of the record.

The wire format is a tree of records (`schemas.ClientRecord`); in bulk, and in storage, the same
records are a flat table. A column is named by its path (`metrics.loss_sum`, `features.hour`,
`canary.confusion`); counts are fixed-size lists, matrices row by row. What is null was not sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from app.rounds.schemas import (
    BinSpecIn,
    CategoricalBins,
    Metrics,
    NumericBins,
    Resources,
    Update,
)

COHORT, FEATURE = "cohorts.", "features."


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"  # float64, finite
    COUNTS = "counts"  # `rows` x `columns` numbers, row by row


@dataclass(frozen=True)
class Column:
    """One field of a record: where it stands in the tree, and what it holds."""

    name: str
    kind: Kind
    rows: int = 1
    columns: int = 0
    matrix: bool = False  # in the tree it is a list of rows

    @property
    def path(self) -> tuple[str, ...]:
        """The steps from the record to the field; a feature's or tag's name is one step."""
        head, _, rest = self.name.partition(".")
        if not rest:
            return (head,)
        nested = head == "canary" and rest.startswith("metrics.")
        return (head, *rest.split(".")) if nested else (head, rest)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return self.rows * self.columns


class Layout(dict[str, Column]):
    """Every column that records may have, by name.

    Two are equal only if they are the same one: so what is worked out for a layout can be kept.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__


def layout_of(bins: BinSpecIn | None, tags: tuple[str, ...]) -> Layout:
    """The layout of records on these bins and cohort tags."""
    return Layout((column.name, column) for column in (*_scalars(tags), *_counts(bins)))


@dataclass(frozen=True)
class Spec:
    """A stored bin spec; its id is a hash of its document, so the id alone tells it."""

    id: str
    document: dict[str, Any] = field(compare=False)


@lru_cache(maxsize=256)
def layout_on(spec: Spec | None, tags: tuple[str, ...]) -> tuple[BinSpecIn | None, Layout]:
    """The bins of a stored bin spec, and the layout of records on them."""
    bins = None if spec is None else BinSpecIn.model_validate(spec.document)
    return bins, layout_of(bins, tags)


def _scalars(tags: tuple[str, ...]) -> Iterator[Column]:
    yield Column("client", Kind.TEXT)
    for tag in tags:
        yield Column(f"{COHORT}{tag}", Kind.TEXT)
    yield Column("status", Kind.TEXT)
    yield Column("error_code", Kind.TEXT)
    yield Column("num_examples", Kind.WHOLE)
    blocks: dict[str, type[BaseModel]] = {
        "metrics": Metrics,
        "canary.metrics": Metrics,
        "update": Update,
        "resources": Resources,
    }
    for block, model in blocks.items():
        for name in model.model_fields:
            yield Column(f"{block}.{name}", Kind.NUMBER)
    yield Column("canary.evaluate_ms", Kind.NUMBER)


def _counts(bins: BinSpecIn | None) -> Iterator[Column]:
    yield Column("canary.agreement", Kind.COUNTS, 2, 2, matrix=True)
    if bins is None:
        return
    labels, scores = len(bins.labels), len(bins.score.edges) - 1
    yield Column("label_counts", Kind.COUNTS, 1, labels)
    yield Column("prediction_counts", Kind.COUNTS, 1, labels)
    yield Column("score_histogram", Kind.COUNTS, 1, scores)
    yield Column("canary.score_histogram", Kind.COUNTS, 1, scores)
    yield Column("confusion", Kind.COUNTS, labels, labels, matrix=True)
    for matrix in ("canary.confusion", "canary.crossed"):
        yield Column(matrix, Kind.COUNTS, labels, labels, matrix=True)
    for name, feature in bins.features.items():
        yield Column(f"{FEATURE}{name}", Kind.COUNTS, 1, _bins_of(feature))
    if bins.projections is not None:
        directions = len(bins.projections.features) * bins.projections.bases
        size = len(bins.projections.edges) - 1
        yield Column("projections", Kind.COUNTS, directions, size, matrix=True)


def _bins_of(feature: NumericBins | CategoricalBins) -> int:
    if isinstance(feature, CategoricalBins):
        return len(feature.categories) + 1  # the last is anything else
    return len(feature.edges) - 1
