"""YAML: what a policy needs of it is read, the rest is refused; what is written reads the same."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.federations.policy import Policy, changes, document_of
from app.federations.policy.showing import commented_defaults, differing
from app.federations.policy.yaml_text import MOST_BYTES, PolicyTextError, read, write

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)
SUBJECTS = st.one_of(
    st.sampled_from(["log_loss", "score", "feature", "label", "latency_ms"]),
    NAMES.map("feature:{}".format),
    st.just("label:on time"),
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "judged": st.booleans(),
        "effect": st.floats(1e-6, 1.0),
        "season_rounds": st.integers(2, 1000),
        "severity": st.sampled_from(["info", "warning", "critical"]),
    },
)
POLICIES = st.fixed_dictionaries(
    {
        "privacy": st.fixed_dictionaries({"delta": st.floats(1e-12, 0.5)}),
        "drift": st.fixed_dictionaries({"subjects": st.dictionaries(SUBJECTS, ENTRIES)}),
        "incidents": st.fixed_dictionaries(
            {"least_severity": st.dictionaries(NAMES, st.sampled_from(["info", "critical"]))}
        ),
    }
)


def refused(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(PolicyTextError) as error:
        read(text.encode() if isinstance(text, str) else text)
    return error.value.lines


@given(POLICIES)
def test_what_is_written_reads_as_the_same_policy(document: dict[str, Any]) -> None:
    policy = Policy.model_validate(document)
    assert read(write(differing(policy)).encode())[1] == policy
    assert read(write(document_of(policy)).encode())[1] == policy
    assert changes(policy, read(write(differing(policy)).encode())[1]) == []


def test_the_commented_defaults_are_the_defaults() -> None:
    assert read(commented_defaults().encode())[1] == Policy()
    assert differing(Policy()) == {}


def test_names_and_numbers_are_those_of_yaml_1_2() -> None:
    text = "drift:\n  effects: {score: 2e-1}\n  subjects: {'label:no': {judged: off}}\n"
    _, policy = read(text.encode())
    assert policy.drift.effects.score == 0.2
    assert not policy.drift.subject("label:no").judged


def test_json_is_yaml() -> None:
    assert read(b'{"drift": {"min_clients": 5}}')[1].drift.min_clients == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drift: &a {}\nreference: *a\n", "Line 1: anchors and aliases are not taken."),
        ("drift: *a\n", "Line 1: anchors and aliases are not taken."),
        ("drift: !!python/object/apply:os.getcwd []\n", "Line 1: tags are not taken."),
        ("drift:\n  min_clients: !!int 0x10\n", "Line 2: tags are not taken."),
        ("drift: {}\ndrift: {}\n", "Line 2: a field's name is text, and comes once."),
        ("1: {}\n", "Line 1: a field's name is text, and comes once."),
        ("? [a]\n: {}\n", "Line 1: a field's name is text, and comes once."),
        ("drift: {}\n---\ndrift: {}\n", "Line 2: but found another document."),
        (
            "drift:\n\tmin_clients: 3\n",
            "Line 2: found character '\\t' that cannot start any token.",
        ),
        ("[" * 50_000, "Line 1: no policy nests as deep."),
        ("", "Expected fields of a policy; write {} for one of defaults alone."),
        ("# nothing", "Expected fields of a policy; write {} for one of defaults alone."),
        ("- drift\n", "Expected fields of a policy; write {} for one of defaults alone."),
        (b"\xff\xfe\x00", "It is not UTF-8."),
        ("drift: \x00", "It is no YAML: unacceptable character #x0000: special characters are"),
        ("#" * (MOST_BYTES + 1), f"It has more than the {MOST_BYTES} bytes that are allowed."),
    ],
)
def test_what_no_policy_needs_is_refused_where_it_stands(text: str | bytes, told: str) -> None:
    (line,) = refused(text)
    assert line.startswith(told)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    layers = [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 12)]
    started = time.monotonic()
    refused("\n".join(["a0: &a0 [1]", *layers]))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drift:\n  efects: {}\n", "Line 2: drift.efects: there is no such field"),
        ("drift:\n", "Line 1: drift: expected fields of its own"),
        (
            "drift:\n  subjects:\n    feature:hour:\n      unit: h\n",
            "Line 4: drift.subjects.feature:hour.unit: feature:hour: Its effects are in"
            " 'probability'.",
        ),
        (
            "drift:\n  latest_rounds: 4\n",
            "Line 2: drift.latest_rounds: latest_rounds must be odd, so that there is a middle"
            " round",
        ),
        (
            "reference:\n  kind: seasonal\n",
            "Line 1: reference.season_rounds: A seasonal reference needs the number of rounds in a"
            " season.",
        ),
        (
            "drift: {false_discovery_rate: .nan}\n",
            "Line 1: drift.false_discovery_rate: Input should be a finite number",
        ),
    ],
)
def test_a_wrong_field_is_told_by_name_and_line(text: str, told: str) -> None:
    assert refused(text) == (told,)
