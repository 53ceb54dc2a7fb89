"""What may stand in a log of texts and errors that others wrote."""

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from app.core.telling import told, trace_of, without_secrets
from tests.rounds import pseudonym

CLIENT = pseudonym("AA")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"no {CLIENT} here", "no [hidden] here"),
        ("key vg_0123abcd_Zm9v-YmFy_x opens", "key [hidden] opens"),
        ("signed whsec_C2FVsBQIhrscChlQIMV+b5sS=", "signed [hidden]"),
        ("Authorization: Bearer abc.def-ghi, x", "Authorization: [hidden], x"),
        ("redis://:hush@redis:6379/0", "redis://:[hidden]@redis:6379/0"),
        ("to postgresql://vigie:hu:sh@db/vigie", "to postgresql://vigie:[hidden]@db/vigie"),
        ("abc_0123 and http://db:5432/x stay", "abc_0123 and http://db:5432/x stay"),
    ],
)
def test_what_looks_like_a_secret_or_a_pseudonym_is_hidden(text: str, clean: str) -> None:
    assert without_secrets(text) == clean


def test_the_database_says_what_it_refused_and_not_the_values() -> None:
    refused = Exception('violates constraint "uq"\nDETAIL:  Key (name)=(hush) already exists.')
    assert told(IntegrityError("INSERT", {}, refused)) == (
        'IntegrityError: violates constraint "uq"'
    )


class Told(BaseModel):
    loss_sum: float


def test_a_form_says_which_field_is_wrong_and_not_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Told.model_validate({"loss_sum": "hush"})
    assert told(caught.value) == "ValidationError: loss_sum: float_parsing"


def test_an_error_is_told_with_its_cause_first() -> None:
    with pytest.raises(ValueError, match="second") as caught:
        fail()
    text = trace_of(caught.value)
    assert text.index("KeyError: 'first [hidden]'") < text.index("ValueError: second")
    assert "fail()" in text


def fail() -> None:
    try:
        _ = {}[f"first {CLIENT}"]
    except KeyError as error:
        raise ValueError("second") from error
