from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vigie_client import weights_sha256


def test_equal_weights_have_one_digest_in_any_order_and_layout() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal(5).astype(np.float32)
    digest = weights_sha256({"a": a, "b": b})
    assert digest == weights_sha256({"b": b, "a": np.asfortranarray(a)})
    assert digest == weights_sha256({"a": a.astype(">f8"), "b": b})
    assert len(digest) == 64


@pytest.mark.parametrize(
    "other", [{"a": [1.0, 2.5]}, {"b": [1.0, 2.0]}, {"a": [[1.0, 2.0]]}, {"a": [1, 2]}, {}]
)
def test_other_weights_have_another(other: dict[str, Any]) -> None:
    assert weights_sha256({"a": [1.0, 2.0]}) != weights_sha256(other)


def test_what_is_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="'a'"):
        weights_sha256({"a": ["x"]})
