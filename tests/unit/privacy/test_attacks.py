"""The attacks of `benchmarks/privacy.py`: near guessing with the gate, telling without."""

import pytest

from benchmarks import privacy


@pytest.mark.parametrize("attack", privacy.ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_near_guessing_with_the_gate_and_tells_without(attack: privacy.Attack) -> None:
    assert [row.what for row in privacy.rows(attack) if not row.holds] == []
