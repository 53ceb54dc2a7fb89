"""What every domain stands on: settings, database, outbox, clock, logging, errors."""
