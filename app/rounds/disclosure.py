"""Disclosure: which groups of a round's clients may be shown, and how finely.

A group of fewer than k clients is not shown, nor is anything from which one follows by adding and
subtracting what is shown (complementary suppression: Cox 1980, J. Am. Stat. Assoc. 75, 377-385).

Take two tags and draw their values as the nodes of a graph, all hidden values of a tag as one, and
each client as an edge between its two values. What adding and subtracting the federation's and the
shown cohorts' sums can give are the cuts of this graph, weighed by clients; so the smallest group
that can be isolated, in part or whole, is the smallest cut, which must not pass fewer than k
clients. With one tag that is the smallest of its values and of what it hides. Every pair of tags is
looked at; what three tags give together and no two of them do is not.

Between rounds nothing is suppressed. There a shared value is rounded, so that one client that joins
or leaves shows only coarsely in the difference (`coarsened`).
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from itertools import combinations
from math import ceil, floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEDERATION = ("federation", "")
# One client's own value of a shared rate can be told to this, times k, at best.
RESOLUTION = 0.1

Scope = tuple[str, str]  # a scope and its key, such as ("cohort", "hub=EWR")
Members = Mapping[Scope, Set[Hashable]]  # clients by name or number, whichever is at hand
Weights = NDArray[np.int64]
_HIDDEN, _NONE = "hidden", "none"


def clients_of_a_record(envelope: Mapping[str, Any]) -> int:
    """For how many clients, at least, each record of a round stands."""
    privacy = envelope.get("privacy") or {}
    return int(privacy.get("cohort_size") or 1) if privacy.get("secure_aggregation") else 1


def records_needed(k: int, clients_of_each: int) -> int:
    """How many records it takes for k clients."""
    return ceil(k / clients_of_each)


def scopes_of(cohorts: Mapping[str, Mapping[str, str]]) -> dict[Scope, set[str]]:
    """The federation and each of its cohorts, with their clients; `cohorts` are tags by client."""
    scopes: dict[Scope, set[str]] = {FEDERATION: set(cohorts)}
    for client, tags in cohorts.items():
        for tag, value in tags.items():
            scopes.setdefault(("cohort", f"{tag}={value}"), set()).add(client)
    return scopes


def rows_of(tags: Mapping[str, NDArray[np.str_]], rows: NDArray[np.intp]) -> dict[Scope, set[int]]:
    """The same of the clients in these rows of a round, by their rows; `tags` are by tag."""
    scopes = {FEDERATION: set(rows.tolist())}
    for tag, column in tags.items():
        told = column[rows]
        for value in sorted(set(told.tolist()) - {""}):
            scopes["cohort", f"{tag}={value}"] = set(rows[told == value].tolist())
    return scopes


def shown(scopes: Members, k: int) -> set[Scope]:
    """The scopes that may be shown, of those with these clients.

    `scopes` holds the federation and cohorts, of which those of one tag share no client. Of what
    has to go, the smallest cohorts go first; the same scopes always give the same answer.

    >>> sizes = {("cohort", "hub=A"): range(9), ("cohort", "hub=B"): range(9, 10)}
    >>> scopes = {key: {f"c{n}" for n in clients} for key, clients in sizes.items()}
    >>> shown({FEDERATION: {f"c{n}" for n in range(10)}, **scopes}, k=3)
    {('federation', '')}
    """
    everyone = scopes.get(FEDERATION, frozenset())
    if len(everyone) < max(k, 1):
        return set()
    kept = {scope for scope in scopes if scope != FEDERATION and len(scopes[scope]) >= k}
    tags = sorted({_tag(scope) for scope in kept})
    pairs = list(combinations(tags, 2)) or [(tag, "") for tag in tags]
    while (leak := _leak(scopes, kept, pairs, k)) is not None:
        kept.remove(min(leak, key=lambda scope: (len(scopes[scope]), scope)))
    return {FEDERATION, *kept}


def step_of(clients: int, k: int) -> float:
    """To which step a share or a mean over so many clients is rounded, in its own unit."""
    return RESOLUTION * k / max(clients, 1) if k > 1 else 0.0


def coarsened(value: float, clients: int, k: int) -> float:
    """A mean or share over clients, rounded so that one of them shows only coarsely."""
    step = step_of(clients, k)
    return round(value / step) * step if step else value


def coarse_counts(counts: Sequence[Any] | NDArray[Any], clients: int, k: int) -> NDArray[Any]:
    """Counts over clients, of any shape: whole, each to `step_of` as a share of their sum."""
    exact = np.asarray(counts, dtype=np.float64)
    step = step_of(clients, k) * abs(float(exact.sum()))
    return np.rint(np.rint(exact / step) * step) if step else exact


def coarse_total(examples: int, clients: int, k: int) -> int:
    """The examples of clients, to a power of ten below those that k of them have on average."""
    if k <= 1 or examples <= 0:
        return examples
    step = 10 ** max(floor(log10(k * examples / max(clients, 1))), 0)
    return int(round(examples / step) * step)


def _tag(scope: Scope) -> str:
    return scope[1].partition("=")[0]


def _leak(
    scopes: Members, kept: Set[Scope], pairs: Sequence[tuple[str, str]], k: int
) -> set[Scope] | None:
    """Shown cohorts of which one has to go, for a cut of fewer than k clients; None without one."""
    for pair in pairs:
        sides = [_side(scopes, kept, tag) for tag in pair]
        for nodes, weights in _parts(scopes[FEDERATION], sides[0], sides[1]):
            cut, inside = smallest_cut(weights)
            if cut < k:
                at_cut = {nodes[at] for at in _ends(weights, inside)}
                concerned = {scope for scope in kept if _tag(scope) in pair}
                return at_cut & kept or concerned & set(nodes) or concerned
    return None


def _ends(weights: Weights, inside: NDArray[np.bool_]) -> list[int]:
    """The nodes at both ends of a cut."""
    crossing = (weights > 0) & (inside[:, None] != inside[None, :])
    return list(np.flatnonzero(crossing.any(axis=1)))


def _side(scopes: Members, kept: Set[Scope], tag: str) -> Callable[[Hashable], Scope]:
    """Which node of a tag's a client belongs to: its cohort, or what stands for all hidden ones."""
    node = {client: scope for scope in kept if _tag(scope) == tag for client in scopes[scope]}
    other = (_HIDDEN if tag else _NONE, tag)
    return lambda client: node.get(client, other)


def _parts(
    clients: Set[Hashable], left: Callable[[Hashable], Scope], right: Callable[[Hashable], Scope]
) -> Iterator[tuple[list[Scope], Weights]]:
    """The connected parts of two tags' graph, each with its clients between any two nodes."""
    edges = [(left(client), right(client)) for client in clients]
    nodes = sorted({node for edge in edges for node in edge})
    place = {node: at for at, node in enumerate(nodes)}
    weights = np.zeros((len(nodes), len(nodes)), dtype=np.int64)
    for one, other in edges:
        weights[place[one], place[other]] += 1
        weights[place[other], place[one]] += 1
    unseen = set(range(len(nodes)))
    while unseen:
        part = _reached(weights, min(unseen))
        unseen -= set(part)
        yield [nodes[at] for at in part], weights[np.ix_(part, part)]


def _reached(weights: Weights, start: int) -> list[int]:
    found, open_ones = {start}, [start]
    while open_ones:
        new = set(np.flatnonzero(weights[open_ones.pop()]).tolist()) - found
        found |= new
        open_ones += new
    return sorted(found)


def smallest_cut(weights: Weights) -> tuple[int, NDArray[np.bool_]]:
    """The weight of the smallest cut of a connected graph, and the nodes on one side of it.

    `weights` is symmetric, of two nodes or more, with zeros on its diagonal. The algorithm is that
    of Stoer & Wagner (1997, J. ACM 44, 585-591).
    """
    left = weights.copy()
    merged = np.eye(len(left), dtype=np.bool_)  # which nodes each one stands for by now
    active = list(range(len(left)))
    best, side = int(left.sum()), merged[0]
    while len(active) > 1:
        order = _by_adjacency(left, active)
        last, before = order[-1], order[-2]
        cut = int(left[last, active].sum())
        if cut < best:
            best, side = cut, merged[last].copy()
        merged[before] |= merged[last]
        left[before] += left[last]
        left[:, before] += left[:, last]
        left[before, before] = 0
        active.remove(last)
    return best, side


def _by_adjacency(weights: Weights, active: Sequence[int]) -> list[int]:
    """The nodes in the order in which each is the most tightly bound to those before it."""
    rest = list(active[1:])
    order, bound = [active[0]], weights[active[0]].copy()
    while rest:
        tightest = max(rest, key=lambda at: (bound[at], -at))
        order.append(tightest)
        bound = bound + weights[tightest]
        rest.remove(tightest)
    return order
