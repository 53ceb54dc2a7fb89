"""A subject that jumps once more is told of; one that grows in, stays or creeps is not."""

from collections.abc import Sequence

import pytest

from app.incidents.worsening import Level

TIMES, ROUNDS = 2.0, 3


def jumps(ratios: Sequence[float]) -> list[int]:
    """At which of these levels, one a round, it jumps."""
    level, found = Level(), []
    for at, ratio in enumerate(ratios):
        jumped = level.jumps_to(ratio, TIMES)
        level = level.after(ratio, ROUNDS, jumped=jumped)
        found += [at] if jumped else []
    return found


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.2, 2.5, 3.0, 3.1, 3.0, 3.1], []),  # it fills the rounds under test
        ([1.2, 1.3, 1.2, 1.3, 2.6, 2.6, 2.6, 2.7], [4]),
        ([1.2] * 5 + [2.0, 2.5, 2.5], [6]),  # over two rounds
        ([1.2] * 5 + [2.5] * 5 + [5.1] * 3, [5, 10]),
        ([1.2**at for at in range(30)], []),  # it creeps
        ([0.0] * 6 + [1.9], []),  # a detector without a threshold had it
        ([1.2, 2.5] * 8, []),  # it swings
    ],
)
def test_only_a_new_jump_is_told(ratios: list[float], expected: list[int]) -> None:
    assert jumps(ratios) == expected
