"""What may be shown, so that no group below k follows from it by adding and subtracting."""

from collections.abc import Mapping
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rounds import disclosure
from app.rounds.disclosure import FEDERATION, Scope

K = 3
Cohorts = dict[str, dict[str, str]]


def clients(*groups: tuple[int, dict[str, str]]) -> Cohorts:
    """So many clients with these tags, group by group."""
    tags = [each for count, each in groups for _ in range(count)]
    return {f"c_{at:02}": each for at, each in enumerate(tags)}


def shown(cohorts: Cohorts, k: int = K) -> set[str]:
    return {key for _, key in disclosure.shown(disclosure.scopes_of(cohorts), k)}


def smallest_revealed(cohorts: Cohorts, k: int) -> int:
    """The fewest clients on whom some sum of shown sums rests, by looking at every group.

    A group is isolated where the shown sums have a combination that is 0 outside of it, that is,
    where leaving the group out lowers the rank of the shown groups' indicators.
    """
    groups = disclosure.scopes_of(cohorts)
    order = sorted(cohorts)
    chosen = sorted(disclosure.shown(groups, k))
    if not chosen:
        return len(order)
    matrix = np.array([[client in groups[scope] for client in order] for scope in chosen], float)
    rank = np.linalg.matrix_rank(matrix)
    some = chain.from_iterable(combinations(range(len(order)), n) for n in range(1, k))
    lowering = [
        len(out) for out in some if np.linalg.matrix_rank(np.delete(matrix, out, axis=1)) < rank
    ]
    return min(lowering, default=len(order))


def test_a_cohort_that_the_total_gives_away_hides_its_neighbour() -> None:
    assert shown(clients((9, {"hub": "A"}), (1, {"hub": "B"}))) == {""}


def test_as_many_cohorts_are_hidden_as_it_takes() -> None:
    hubs = clients((9, {"hub": "A"}), (4, {"hub": "B"}), (3, {"hub": "C"}), (1, {"hub": "D"}))
    assert shown(hubs) == {"", "hub=A", "hub=B"}
    assert shown(clients((9, {"hub": "A"}), (4, {"hub": "B"}), (3, {"hub": "C"}))) == {
        "", "hub=A", "hub=B", "hub=C",
    }  # fmt: skip


def test_clients_without_the_tag_are_a_group_too() -> None:
    assert shown(clients((5, {"hub": "A"}), (2, {}))) == {""}
    assert shown(clients((5, {"hub": "A"}), (3, {}))) == {"", "hub=A"}


def test_a_federation_below_k_shows_nothing() -> None:
    assert shown(clients((2, {"hub": "A"}))) == set()
    assert shown({}) == set()
    assert shown({}, k=1) == set()


def test_a_cohort_nested_in_one_of_another_tag_is_found() -> None:
    nested = clients(
        (9, {"hub": "A", "region": "N"}),
        (1, {"hub": "B", "region": "N"}),
        (5, {"hub": "B", "region": "S"}),
        (5, {"hub": "C", "region": "S"}),
    )
    found = shown(nested)
    assert not {"hub=A", "region=N"} <= found
    assert smallest_revealed(nested, K) >= K


def test_tags_that_say_the_same_are_both_shown() -> None:
    same = clients((5, {"hub": "A", "city": "a"}), (4, {"hub": "B", "city": "b"}))
    assert shown(same) == {"", "hub=A", "hub=B", "city=a", "city=b"}


def test_k_of_one_shows_everything() -> None:
    assert shown(clients((9, {"hub": "A"}), (1, {"hub": "B"})), k=1) == {"", "hub=A", "hub=B"}


TAGS = st.fixed_dictionaries(
    {}, optional={"hub": st.sampled_from("ABC"), "region": st.sampled_from("NSW")}
)


@settings(max_examples=150)
@given(st.lists(TAGS, max_size=14), st.integers(1, 4))
def test_nothing_below_k_follows_from_two_tags(tags: list[dict[str, str]], k: int) -> None:
    cohorts = {f"c_{at:02}": each for at, each in enumerate(tags)}
    assert smallest_revealed(cohorts, k) >= min(k, len(cohorts))


@settings(max_examples=50)
@given(st.lists(TAGS, max_size=14))
def test_by_rows_the_scopes_are_those_by_name(tags: list[dict[str, str]]) -> None:
    names = sorted({tag for each in tags for tag in each})
    columns = {name: np.array([each.get(name, "") for each in tags]) for name in names}
    rows = np.arange(1, len(tags), 2)  # of a single client, none
    groups = disclosure.rows_of(columns, rows)
    by_name = disclosure.scopes_of({str(row): tags[row] for row in rows})
    assert {key: {*map(str, members)} for key, members in groups.items()} == by_name
    assert disclosure.shown(groups, K) == disclosure.shown(by_name, K)


@settings(max_examples=50)
@given(st.lists(TAGS, max_size=14), st.randoms())
def test_the_order_of_clients_changes_nothing(tags: list[dict[str, str]], random) -> None:
    cohorts = {f"c_{at:02}": each for at, each in enumerate(tags)}
    order = list(cohorts)
    random.shuffle(order)
    groups = disclosure.scopes_of({client: cohorts[client] for client in order})
    assert disclosure.shown(groups, K) == disclosure.shown(disclosure.scopes_of(cohorts), K)


def test_the_smallest_cut_is_that_of_the_paper() -> None:
    """The graph of figure 1 in Stoer & Wagner 1997: its smallest cut weighs 4."""
    edges = {12: 2, 15: 3, 23: 3, 25: 2, 26: 2, 34: 4, 37: 2, 47: 2, 48: 2, 56: 3, 67: 1, 78: 3}
    weights = np.zeros((8, 8), dtype=np.int64)
    for edge, weight in edges.items():
        one, other = edge // 10 - 1, edge % 10 - 1
        weights[one, other] = weights[other, one] = weight
    cut, side = disclosure.smallest_cut(weights)
    assert cut == 4
    assert {*np.flatnonzero(side) + 1} in ({3, 4, 7, 8}, {1, 2, 5, 6})


def test_a_mean_is_rounded_to_what_one_client_may_show() -> None:
    assert disclosure.coarsened(0.537, clients=10, k=3) == pytest.approx(0.54)  # steps of 0.03
    assert disclosure.coarsened(0.523, clients=10, k=3) == pytest.approx(0.51)
    assert disclosure.coarsened(0.5373, clients=1000, k=3) == pytest.approx(0.5373, abs=1e-4)
    assert disclosure.coarsened(0.537, clients=10, k=1) == 0.537


def test_counts_are_rounded_as_shares_and_stay_whole() -> None:
    counts = disclosure.coarse_counts([[871, 129], [0, 0]], clients=10, k=3)
    assert counts.tolist() == [[870, 120], [0, 0]]
    assert disclosure.coarse_counts([0.0, 0.0], clients=10, k=3).tolist() == [0, 0]


def test_examples_are_rounded_to_what_k_clients_have() -> None:
    assert disclosure.coarse_total(1234, clients=10, k=3) == 1200
    assert disclosure.coarse_total(0, clients=0, k=3) == 0


def scope_keys(members: Mapping[Scope, object]) -> set[str]:
    return {key for _, key in members}


def test_scopes_are_the_federation_and_each_value_of_each_tag() -> None:
    groups = disclosure.scopes_of(clients((1, {"hub": "A", "region": "N"}), (1, {})))
    assert scope_keys(groups) == {"", "hub=A", "region=N"}
    assert groups[FEDERATION] == {"c_00", "c_01"}
