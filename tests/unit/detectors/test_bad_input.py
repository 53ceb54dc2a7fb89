"""The table of bad input in the docs, held to: every public function, every kind, as it says.

`docs/reference/detectors/bad-input.md` says, function by function, what comes of each kind of bad
input. Its tables are read here, and each cell is tried: a healthy call, one argument of which is
spoiled at a place, in a size and by a magnitude that hypothesis chooses.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors as d
from detectors import DetectorError, errors
from detectors.catalogue import KNOWN
from tests.unit.detectors.bad_input_cases import CASES, Case

PAGE = Path(__file__).parents[3] / "docs/reference/detectors/bad-input.md"
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


LOUDEST = 300  # the decimal exponent of what is too large, at most


def put(value: Callable[[np.random.Generator], float]) -> Spoil:
    """Put a value at a random place."""

    def spoil(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        spoilt = np.array(array, dtype=np.float64)
        spoilt.reshape(-1)[rng.integers(spoilt.size)] = value(rng)
        return spoilt

    return spoil


def billion(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.rint(array * 1e9 / array.sum())


def crowded(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return put(lambda _: 1e9)(np.minimum(array, 30.0), rng)


SPOILS: Mapping[str, Spoil] = {
    "empty": lambda array, rng: array[:0],
    "NaN": put(lambda rng: np.nan),
    "infinite": put(lambda rng: np.inf * rng.choice([-1, 1])),
    "beyond 1e100": put(lambda rng: rng.choice([-1, 1]) * 10.0 ** rng.integers(101, LOUDEST)),
    "1e99": put(lambda rng: rng.choice([-1, 1]) * 1e99),
    "negative": put(lambda rng: -rng.uniform(0.5, 1e6)),
    "above 1": put(lambda rng: 1 + rng.uniform(0.01, 1e6)),
    "all zero": lambda array, rng: np.zeros_like(array),
    "all equal": lambda array, rng: np.full_like(array, float(rng.integers(-5, 5))),
    "different": lambda array, rng: array * rng.uniform(0.9, 0.99),
    "falling": lambda array, rng: array[::-1].copy(),
    "2^62": lambda array, rng: np.full(array.shape, 2**62, dtype=np.int64),
    "1e9 rows": billion,
    "1e9 in a bin": crowded,
}
TOGETHER = {"one", "all equal"}  # kinds that befall all arguments of a sort


def rows() -> Iterator[tuple[str, str, dict[str, set[str]]]]:
    """Yield function, sort of argument and, a kind of bad input, what may come of it."""
    sort, kinds = "", [""]
    for line in PAGE.read_text().splitlines():
        if heading := re.fullmatch(r"### (.+)", line):
            sort = heading[1].lower()
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| functions"):
            kinds = cells[1:]
        elif sort and line.startswith("| `"):
            promised = [set(re.findall(r"\w+Error|answer", cell)) for cell in cells[1:]]
            for name in re.findall(r"`([^`]+)`", cells[0]):
                yield name, sort, dict(zip(kinds, promised, strict=True))


ROWS = list(rows())


def spoilt(case: Case, sort: str, kind: str, rng: np.random.Generator, n: int) -> dict[str, Any]:
    size = 1 if kind == "one" else n
    arguments = {name: each.make(rng, size) for name, each in case.arguments.items()}
    names = [name for name, each in case.arguments.items() if each.sort == sort]
    if kind in SPOILS:
        chosen = names if kind in TOGETHER else [str(rng.choice(names))]
        arguments |= {name: SPOILS[kind](arguments[name], rng) for name in chosen}
    return arguments


def numbers(found: object, field: str = "") -> Iterator[tuple[str, float]]:
    """Yield every float in an answer, with the field that it is in."""
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        for each in dataclasses.fields(found):
            yield from numbers(getattr(found, each.name), each.name)
    elif isinstance(found, Mapping):
        for each in found.values():
            yield from numbers(each, field)
    elif isinstance(found, (list, tuple)):
        for each in found:
            yield from numbers(each, field)
    elif isinstance(found, (float, np.ndarray)) and not isinstance(found, Enum):
        for number in np.atleast_1d(np.asarray(found)).ravel().tolist():
            yield field, number


def outcome(case: Case, arguments: Mapping[str, Any]) -> str:
    """Return the name of the refusal, or "answer" for a sound one."""
    try:
        answer = case.call(**arguments)
    except DetectorError as refusal:
        return type(refusal).__name__
    for field, number in numbers(answer):
        assert np.isfinite(number) or field in MAY_BE_INFINITE, (field, number)
        assert not field.startswith(("p_value", "p_adj")) or 0 <= number <= 1, (field, number)
    return "answer"


MAY_BE_INFINITE = {"minimum_detectable_effect", "minimum_detectable_effects", "variance"}


@pytest.mark.parametrize(("name", "sort", "promised"), ROWS, ids=[f"{r[0]}-{r[1]}" for r in ROWS])
@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), n=st.integers(6, 20).map(lambda half: 2 * half + 1))
def test_what_the_page_promises_is_what_happens(name, sort, promised, seed, n):
    for kind, outcomes in promised.items():
        arguments = spoilt(CASES[name], sort, kind, np.random.default_rng(seed), n)
        if outcomes:
            assert outcome(CASES[name], arguments) in outcomes, (kind, arguments)


@pytest.mark.parametrize("bad", [b"", b"junk", bytes(8), bytes(range(64))])
def test_bytes_that_are_no_sketch_are_refused(bad):
    with pytest.raises(errors.NotASketchError):
        d.KllSummary.from_bytes(bad)


@pytest.mark.parametrize(
    ("total", "error"), [(1e101, errors.OutOfRangeError), (4e-7, errors.EmptySampleError)]
)
def test_pairs_of_histograms_with_too_much_or_too_little_are_refused(total, error):
    healthy, bad = np.full((4, 3), 5.0), np.full((4, 3), 5.0)
    bad[:, 1] = [total, 0.0, 0.0, 0.0]
    for pair in ((healthy, bad), (bad, healthy)):
        with pytest.raises(error):
            d.ks_histograms(*pair)


@pytest.mark.parametrize("test", [d.chi_square, d.g_test])
def test_counts_that_cannot_be_added_are_told_so_as_counts(test):
    huge = d.Histogram.of_categories([2.0**62, 1.0])
    with pytest.raises(errors.OutOfRangeError, match="one example more changes nothing"):
        test(huge, huge)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e101])
def test_a_refused_update_of_a_block_leaves_no_trace(name, bad):
    block = d.create_block(name, 3)
    block.update([1.0, 0.0, 1.0])
    before = block.snapshot()
    with pytest.raises(DetectorError):
        block.run([[1.0, 1.0, 0.0], [0.0, bad, 1.0]])
    assert block.snapshot() == before


@pytest.mark.parametrize("name", CASES)
def test_a_healthy_call_is_answered(name):
    healthy = spoilt(CASES[name], "", "healthy", np.random.default_rng(1), 15)
    assert outcome(CASES[name], healthy) == "answer"


def test_the_page_has_a_row_for_every_argument_that_is_tried():
    tried = {(name, each.sort) for name, case in CASES.items() for each in case.arguments.values()}
    assert {(name, sort) for name, sort, _ in ROWS} == tried


def test_every_public_name_that_takes_data_is_on_the_page():
    roots = {re.split(r"[.(]", name)[0] for name, _, _ in ROWS}
    watched_classes = {detector.__name__ for detector in KNOWN.values()}
    exempt = set(re.findall(r"`(\w+)`", PAGE.read_text().split("Not in the tables: ")[1]))
    assert set(d.__all__) - {n for n in d.__all__ if answers(n)} - watched_classes - exempt == roots


def answers(name: str) -> bool:
    """Whether a name is an enumeration, an error, or a dataclass that is only ever an answer."""
    found = getattr(d, name)
    if not isinstance(found, type):
        return not callable(found)
    checks = hasattr(found, "__post_init__") or hasattr(found, "fit") or hasattr(found, "of_values")
    plain = dataclasses.is_dataclass(found) and not checks
    return plain or issubclass(found, (Enum, Exception)) or getattr(found, "_is_protocol", False)


def test_every_error_on_the_page_exists():
    named = set(re.findall(r"\w+Error", PAGE.read_text())) - {"ValueError"}
    assert all(issubclass(getattr(errors, name), DetectorError) for name in named)
