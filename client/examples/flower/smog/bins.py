"""The edges that all stations count on; features are in standard deviations."""

from typing import Any

from smog.stations import FEATURES

_EDGES = [-4.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 4.0]

BIN_SPEC: dict[str, Any] = {
    "labels": ["clear", "smog"],
    "score": {"edges": [step / 10 for step in range(11)]},
    "features": {name: {"kind": "numeric", "edges": _EDGES, "unit": "sd"} for name in FEATURES},
}
