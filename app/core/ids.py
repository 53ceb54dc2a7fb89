"""Identifiers: random UUIDs for rows, short slugs for what people name."""

from typing import Annotated
from uuid import UUID, uuid4

from pydantic import StringConstraints

# What people name: federations, runs, models, versions. Safe in a URL, a file name and a label.
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


def new_id() -> UUID:
    """A fresh random identifier."""
    return uuid4()
