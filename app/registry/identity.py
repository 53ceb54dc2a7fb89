"""Who is who, for the rule that nobody decides on their own work.

Identities are compared: a person's login, however they come in, or the id of a key. A key that is
nobody's by login may be anybody's: of it, as of what the service does by itself, the name counts.
"""

from app.audit.service import Actor

_PERSON, _NAME = "login:", "name:"


def identity_of(actor: str) -> str:
    """`login:<login>` of a person, `key:<id>` of a key that is nobody's, else `name:<name>`."""
    if not isinstance(actor, Actor):
        return f"{_NAME}{folded(actor)}"
    return f"{_PERSON}{actor.login}" if actor.login else actor.id


def same_person(actor: str, name: str, identity: str) -> bool:
    """Whether who acts now is, or cannot be told from, who acted then under name and identity."""
    mine = identity_of(actor)
    if mine.startswith(_PERSON) and identity.startswith(_PERSON):
        return mine == identity
    return mine == identity or folded(actor) == folded(name)


def folded(name: str) -> str:
    """A name as names are compared."""
    return name.strip().casefold()
