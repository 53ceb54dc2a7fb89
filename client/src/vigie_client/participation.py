"""Who took part in a round, as every adapter tells it: the wire format's ``participation``."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

_LONGEST_CODE = 63
_NUMBER_BYTES = 8


def participation(
    *,
    available: int,
    sampled: int,
    replied: int,
    errors: Iterable[str],
    latencies_ms: Sequence[float] = (),
    bytes_up: int | None = None,
    bytes_down: int | None = None,
) -> dict[str, Any]:
    """Return the block of that name; whoever was sampled and neither replied nor failed timed out.

    ``errors`` are the framework's names for what went wrong, one a client. ``latencies_ms`` are
    from asking a client to its reply, of those that the framework lets one see; without any, there
    are no percentiles. ``bytes_up`` came from the clients and ``bytes_down`` went to them, all
    together; ``None`` where nobody counted.
    """
    codes = Counter(error_code(error) for error in errors)
    block: dict[str, Any] = {
        "available": max(available, sampled),
        "sampled": sampled,
        "replied": replied,
        "timed_out": max(sampled - replied - codes.total(), 0),
        "errors": dict(codes),
    }
    if latencies_ms:
        middle, slow = np.percentile(latencies_ms, (50, 95)).tolist()
        block |= {"latency_p50_ms": middle, "latency_p95_ms": slow}
    counted = {"bytes_up": bytes_up, "bytes_down": bytes_down}
    return block | {name: count for name, count in counted.items() if count is not None}


def error_code(name: str) -> str:
    """Return an error's name as the wire format takes it: letters, digits, ``.``, ``-`` and ``_``.

    >>> error_code("Task aborted!")
    'Task_aborted_'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:_LONGEST_CODE] or "unknown"


def content_bytes(content: object) -> int:
    """Return how many bytes a message's content has, before a framework packs it for the network.

    Arrays and texts count as long as they are, names of fields too, and other numbers and truth
    values 8 bytes; a list that begins with one has no others. What is of no such kind counts
    nothing.

    >>> content_bytes({"weights": np.zeros(4, np.float32), "losses": [0.5, 0.25]})
    45
    """
    if isinstance(content, (int, float)):
        return _NUMBER_BYTES
    if isinstance(content, (list, tuple)):
        if content and isinstance(content[0], (int, float)):  # not one by one: there are many
            return _NUMBER_BYTES * len(content)
        return sum(map(content_bytes, content))
    if isinstance(content, (str, bytes, bytearray)):
        return len(content)
    if isinstance(content, Mapping):
        return sum(len(str(key)) + content_bytes(value) for key, value in content.items())
    size = getattr(content, "nbytes", None)  # numpy's arrays and torch's tensors
    data = getattr(content, "data", None)  # Flower's arrays, which are bytes already
    return size if isinstance(size, int) else len(data) if isinstance(data, bytes) else 0
