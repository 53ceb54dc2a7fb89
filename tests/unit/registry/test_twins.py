"""Names in MLflow: one for each federation and model, whatever dots they have."""

from hypothesis import given
from hypothesis import strategies as st

from app.registry.twins import registered_name

slugs = st.from_regex(r"[ab.][ab.]{0,4}", fullmatch=True).filter(lambda s: not s.startswith("."))


@given(slugs, slugs, slugs, slugs)
def test_no_two_models_share_a_name(federation: str, model: str, other: str, another: str) -> None:
    same = registered_name(federation, model) == registered_name(other, another)
    assert same == ((federation, model) == (other, another))


def test_a_plain_name_stays_plain() -> None:
    assert registered_name("flights", "late-arrival") == "flights.late-arrival"
