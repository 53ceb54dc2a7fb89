"""What a repair does about each deviation, in words, said before somebody asks for it."""

from app.registry.deviations import Kind
from app.registry.tables import Deviation

BY_HAND = "nothing: MLflow cannot bring the file back. Send the version's weights again."
_TOLD = {
    Kind.MODEL_DELETED: "makes the registered model and its versions again, under new numbers",
    Kind.VERSION_DELETED: "makes the version again, under a new number",
    Kind.SOURCE_CHANGED: "makes the version again with the weights that it was registered with",
    Kind.WEIGHTS_CHANGED: BY_HAND,
    Kind.WEIGHTS_GONE: BY_HAND,
}


def mending(one: Deviation) -> str:
    """What a repair does about a deviation."""
    if one.kind == Kind.ALIAS_MOVED:
        if one.expected is None:
            return f"takes the alias {one.key} away"
        return f"has {one.key} point to MLflow's version {one.expected} again"
    if one.kind == Kind.TAG_CHANGED:
        return f"writes the tag {one.key} as it was"
    return _TOLD[Kind(one.kind)]
