"""The contract of models, their versions, promotions and retraining."""

import pytest

from tests.unit.openapi.contract import House, hold, labels


@pytest.mark.parametrize("label", labels("models"))
def test_no_request_gets_a_5xx_or_an_undocumented_status(house: House, label: str) -> None:
    hold(house, label)
