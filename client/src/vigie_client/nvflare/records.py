# mypy: disable-error-code="import-not-found,misc"
# FLARE is in an environment of its own, where types are not checked.
"""A client's record on its way through FLARE: put in the metadata of its result, and out again."""

from collections.abc import Mapping
from typing import Any

from nvflare.apis.dxo import from_shareable
from nvflare.apis.shareable import Shareable

from vigie_client.attaching import Record, attached

KEY = "vigie"


def attach(meta: dict[str, Any], record: Record) -> None:
    """Put a client's record where ``VigieReporter`` finds it: in ``FLModel.meta`` or ``DXO.meta``.

    ``record`` is what ``Summary.record`` returns, or a function that returns it; who it is of is
    the server's to say. To be called on the client, on what is about to be sent. Raises nothing:
    what the function raises is logged, and the reply goes without.
    """
    attached(record, lambda made: meta.update({KEY: _nameless(made)}))


def _nameless(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "client"}


def detach(result: Shareable) -> object:
    """Take the record out of a result, in place; ``None`` when there is none."""
    try:
        dxo = from_shareable(result)
    except ValueError:  # an error's reply, or no DXO
        return None
    record: object = dxo.get_meta_prop(KEY)
    dxo.remove_meta_props([KEY])
    dxo.update_shareable(result)
    return record
