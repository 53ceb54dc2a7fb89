"""Export: a round's client records as one table, for notebooks."""

from collections.abc import Callable
from enum import StrEnum

import pyarrow as pa
from sqlmodel import Session

from app.federations.tables import Federation
from app.rounds import repository
from app.rounds.blocks import unpack
from app.rounds.columns import batch_of_trees
from app.rounds.layout import Spec, layout_on
from app.rounds.reports import join, tree_of
from app.rounds.tables import ReportBlock, Round


class TableFormat(StrEnum):
    """How a table is written."""

    PARQUET = "parquet"
    ARROW = "arrow"  # an IPC file


MEDIA_TYPES = {
    TableFormat.PARQUET: "application/vnd.apache.parquet",
    TableFormat.ARROW: "application/vnd.apache.arrow.file",
}


def records_of(
    session: Session, federation: Federation, round_: Round, name_of: Callable[[str], str]
) -> pa.Table:
    """A round's records, one a client, in the wire format's columns, under `name_of` pseudonyms.

    Without columns where they were dropped (retention), or nothing has come.
    """
    blocks = [
        block
        for block in repository.blocks_of(session, [round_.id], None)
        if block.data is not None
    ]
    batch = _whole(session, federation, round_, blocks)
    if not batch.num_rows:
        return pa.table({})
    place = batch.schema.get_field_index("client")
    names = pa.array([name_of(client) for client in batch.column(place).to_pylist()], pa.string())
    table = pa.Table.from_batches([batch.set_column(place, "client", names)])
    return table.cast(pa.schema([_for_sums(field) for field in table.schema]))


def _for_sums(field: pa.Field) -> pa.Field:
    """Counts are stored as narrow as they are, and in a notebook they will be added up."""
    if not pa.types.is_fixed_size_list(field.type):
        return field
    return field.with_type(pa.list_(pa.float64(), field.type.list_size))


def written(table: pa.Table, form: TableFormat) -> bytes:
    """The table as a file's bytes."""
    sink = pa.BufferOutputStream()
    if form is TableFormat.ARROW:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        import pyarrow.parquet as pq  # noqa: PLC0415 - takes a while, and few ask for it

        pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _whole(
    session: Session, federation: Federation, round_: Round, blocks: list[ReportBlock]
) -> pa.RecordBatch:
    if len(blocks) == 1 and blocks[0].data is not None:
        return unpack(blocks[0].data)
    reports, _ = join(blocks)
    tags = tuple(sorted({tag for report in reports for tag in report.cohorts}))
    spec = repository.bin_spec(session, federation.id, round_.bin_spec) if round_.bin_spec else None
    _, layout = layout_on(None if spec is None else Spec(spec.id, spec.document), tags)
    return batch_of_trees([tree_of(report) for report in reports], layout)
