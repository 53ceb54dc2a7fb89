"""Client reports: what each client said in a round, put together from the round's chunks.

A client's record may come in parts: labels, say, arrive rounds later. Parts are joined field by
field, in the order of their chunks' numbers and not of their arrival, so that every order of
arrival gives the same reports.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.rounds.blocks import unpack
from app.rounds.columns import Tree, trees_of
from app.rounds.tables import ReportBlock

OWN_COLUMNS = ("client", "status", "num_examples", "cohorts")


@dataclass(frozen=True)
class ClientReport:
    """What one client said in one round: the client record of the wire format, as accepted."""

    round_id: UUID
    client: str
    status: str
    num_examples: int
    cohorts: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)  # the rest of it


@dataclass(frozen=True)
class Conflict:
    """A field that a chunk tells otherwise than an earlier chunk did; the earlier one counts."""

    round_id: UUID
    chunk: int
    path: tuple[str, ...]
    body_sha256: str


def reports_of(blocks: Iterable[ReportBlock]) -> list[ClientReport]:
    """The reports in these blocks, by round and pseudonym."""
    reports, _ = join(blocks)
    return reports


def join(blocks: Iterable[ReportBlock]) -> tuple[list[ClientReport], list[Conflict]]:
    """The reports in these blocks, and where their chunks disagree."""
    joined: dict[tuple[UUID, str], Tree] = {}
    conflicts: list[Conflict] = []
    for block in sorted(blocks, key=lambda block: (block.round_id.bytes, block.chunk)):
        for tree in _trees(block):
            known = joined.setdefault((block.round_id, tree["client"]), tree)
            if known is not tree:
                conflicts += [
                    Conflict(block.round_id, block.chunk, path, block.body_sha256)
                    for path in _add(known, tree)
                ]
    ordered = sorted(joined.items(), key=lambda item: (item[0][0].bytes, item[0][1]))
    return [_report(round_id, tree) for (round_id, _), tree in ordered], conflicts


def report_of(round_id: UUID, tree: Tree) -> ClientReport:
    """A record as a report."""
    return _report(round_id, dict(tree))


def tree_of(report: ClientReport) -> Tree:
    """A report as a record of the wire format."""
    own = {name: getattr(report, name) for name in OWN_COLUMNS}
    return {**own, **report.record}


def _trees(block: ReportBlock) -> list[Tree]:
    return [] if block.data is None else trees_of(unpack(block.data))


def _add(known: Tree, later: Tree) -> Iterator[tuple[str, ...]]:
    """Add to a record what it has not; yield where a later part says something else."""
    if known["num_examples"] != later["num_examples"]:
        yield ("num_examples",)  # its sums are over other examples, so none of them is added
        return
    yield from list(_merge(known, later))


def _merge(known: Tree, later: Tree, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in later.items():
        if isinstance(value, dict) and isinstance(known.get(name), dict):
            yield from _merge(known[name], value, (*at, name))
        elif known.setdefault(name, value) != value:
            yield (*at, name)


def _report(round_id: UUID, tree: Tree) -> ClientReport:
    return ClientReport(
        round_id=round_id,
        client=tree["client"],
        status=tree.get("status", "ok"),
        num_examples=tree["num_examples"],
        cohorts=tree.get("cohorts", {}),
        record={name: value for name, value in tree.items() if name not in OWN_COLUMNS},
    )
