# mypy: disable-error-code="import-not-found,misc"
# Flower is in an environment of its own, where types are not checked.
"""What clients count where a retrain request wants some of them to train, or to weigh more."""

from collections.abc import Sequence

from flwr.app import Message

WEIGHTED_BY = "num-examples"


def weighed(replies: Sequence[Message], weights: Sequence[float], key: str) -> list[Message]:
    """Return the replies of those that train, with ``key`` in their metrics times their weight.

    Errors stay, for the strategy to see. ``KeyError`` where a reply's metrics lack the key.
    """
    kept = []
    for reply, weight in zip(replies, weights, strict=True):
        if reply.has_error():
            kept.append(reply)
        elif weight > 0:
            for metrics in reply.content.metric_records.values():
                metrics[key] = weight * float(metrics[key])
            kept.append(reply)
    return kept
