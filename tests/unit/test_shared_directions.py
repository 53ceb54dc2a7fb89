"""The client and the server project on the same directions, though they share no code."""

import numpy as np
import pytest
from vigie_client.bins import directions as at_the_client

from detectors import directions as at_the_server


@pytest.mark.parametrize(("dim", "bases", "seed"), [(1, 1, 0), (3, 2, 7), (64, 1, 2**31 - 1)])
def test_both_sides_draw_the_same_directions(dim: int, bases: int, seed: int) -> None:
    rows = at_the_client(dim, bases, seed)
    assert np.array_equal(rows, at_the_server(dim=dim, bases=bases, seed=seed))
    assert rows[:dim] @ rows[:dim].T == pytest.approx(np.eye(dim), abs=1e-12)
