"""The criticality of a model: more points are never less critical, and the matrix is as told."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.registry.criticality import (
    MATRIX,
    QUESTIONS,
    REVIEW_EVERY,
    Axis,
    Criticality,
    assess,
    faults,
)

LEAST, MIDDLE, MOST = ({q.name: list(q.answers)[n] for q in QUESTIONS} for n in range(3))
answers = st.fixed_dictionaries({q.name: st.sampled_from(list(q.answers)) for q in QUESTIONS})


def test_both_axes_are_asked_for_and_every_question_has_three_answers() -> None:
    assert {question.axis for question in QUESTIONS} == set(Axis)
    assert all(len(question.answers) == 3 for question in QUESTIONS)
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)


def test_the_ends_and_the_middle() -> None:
    assert assess(LEAST).criticality is Criticality.LOW
    assert assess(MIDDLE).criticality is Criticality.MEDIUM
    assert assess(MOST).criticality is Criticality.CRITICAL
    assert (assess(MIDDLE).materiality, assess(MOST).risk) == (50.0, 100.0)


def test_what_can_do_grave_harm_is_never_of_little_importance() -> None:
    assert assess(LEAST | {"harm": "grave"}).criticality is Criticality.HIGH


@given(answers, st.sampled_from(QUESTIONS))
def test_a_worse_answer_is_never_less_critical_nor_reviewed_less_often(given_, question) -> None:
    worse = given_ | {question.name: list(question.answers)[-1]}
    before, after = assess(given_), assess(worse)
    assert after.criticality.rank >= before.criticality.rank
    assert after.review_every <= before.review_every


def test_the_matrix_rises_in_both_directions() -> None:
    for row in (*MATRIX, *zip(*MATRIX, strict=True)):
        assert all(a.rank <= b.rank for a, b in pairwise(row))
    assert [REVIEW_EVERY[one].days for one in Criticality] == [730, 365, 182, 91]


def test_every_fault_is_named() -> None:
    wrong = {name: answer for name, answer in LEAST.items() if name != "reach"}
    assert faults(LEAST) == {}
    assert set(faults(wrong | {"harm": "none", "colour": "red"})) == {"reach", "harm", "colour"}
