"""Rows for whatever tables a revision has: one in each, by its columns and constraints."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

AT = datetime(2026, 11, 1, tzinfo=UTC)
FILLED_TOO = {("sign_ins", "key_id")}  # its row belongs to an account or to a key
# `state IN ('a', 'b')`, or PostgreSQL's `state = ANY (ARRAY['a', 'b'])`: a value that it allows.
_ALLOWED = re.compile(r"\(*(\w+)\)?(?:::\w+)?(?: IN | = ANY )\W*(?:ARRAY\W*)?'([^']*)'")


def fill(engine: sa.Engine) -> dict[str, int]:
    """Put a row into each table that has none; how many rows each table has then."""
    metadata = sa.MetaData()
    metadata.reflect(engine)
    allowed = _allowed(engine, metadata)
    counts: dict[str, int] = {}
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name != "alembic_version":
                counts[table.name] = _filled(connection, table, allowed[table.name])
    return counts


def _filled(connection: sa.Connection, table: sa.Table, allowed: dict[str, str]) -> int:
    count = sa.select(sa.func.count()).select_from(table)
    found = connection.execute(count).scalar_one()
    if not found:
        row = {
            column.name: _value(connection, column, allowed)
            for column in table.columns
            if not column.nullable or (table.name, column.name) in FILLED_TOO
        }
        connection.execute(table.insert().values(row))
    return max(found, 1)


def _value(connection: sa.Connection, column: sa.Column[Any], allowed: dict[str, str]) -> object:
    for key in column.foreign_keys:
        return connection.execute(sa.select(key.column).limit(1)).scalar()
    if column.name in allowed:
        return allowed[column.name]
    return _plain(column)


def _plain(column: sa.Column[Any]) -> object:
    later = column.name.startswith(("ends", "expires", "until", "closes"))
    by_kind: list[tuple[Any, object]] = [
        (sa.types.Uuid, uuid4()),
        (sa.JSON, {}),
        (sa.DateTime, AT + timedelta(days=later)),
        (sa.LargeBinary, b"x"),
        (sa.Boolean, False),
        (sa.CHAR, uuid4().hex),  # SQLite's uuid
        ((sa.Integer, sa.Float, sa.Numeric), 1),
    ]
    return next((value for kind, value in by_kind if isinstance(column.type, kind)), "one")


def _allowed(engine: sa.Engine, metadata: sa.MetaData) -> dict[str, dict[str, str]]:
    inspector = sa.inspect(engine)
    return {
        name: {
            found[1]: found[2]
            for check in inspector.get_check_constraints(name)
            for found in _ALLOWED.finditer(check["sqltext"])
        }
        for name in metadata.tables
    }
