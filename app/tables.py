"""Every table of the service, imported, so that the metadata is whole."""

from sqlmodel import SQLModel

import app.audit.tables
import app.core.outbox
import app.drift.tables
import app.federations.tables
import app.incidents.tables
import app.people.tables
import app.registry.tables
import app.reports.tables
import app.retraining.tables
import app.rounds.tables  # noqa: F401

metadata = SQLModel.metadata
