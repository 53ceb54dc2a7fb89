"""What MLflow would answer, for tests that leave it out."""

from app.registry.mirroring import Mirrored, Wanted
from app.registry.twins import Held


def mirrored(wanted: Wanted) -> Mirrored:
    """Everything is as it is wanted; a version's number there is its name here."""
    held = {name: Held(name, twin.tags, "") for name, twin in wanted.twins.items()}
    return Mirrored(wanted, held, {}, dict(wanted.aliases))
