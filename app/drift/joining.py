"""Clients that joined after the reference, linked to it through those that were there before.

A newcomer has said nothing in the reference's rounds; taken at its first word, it would move every
scope by how much it differs. So it counts as indices count a new shop (chain linking): in its first
rounds, what it says less how far the clients that can be compared with themselves lie from their
own then, is what it would have said in the reference. From its second round on it is compared with
that, and has the weight of the examples that it rests on. A newcomer moves nothing by coming, and a
shift that was under way when it came is not taken for its nature.

ILO et al. (2020), Consumer Price Index Manual, chapter 7 (overlap linking of new outlets).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.drift.measurements import Floats, Mask
from app.rounds.records import PSEUDONYM, Pseudonyms

MOST_JOINED = 2_000  # clients; more of them would make a round dear, and are left out
LEAST_OTHERS = 3  # clients that can be compared, for how far they lie from their own to be told


@dataclass(frozen=True, eq=False)
class Linked:
    """What each joined client would have said, over the rounds that it was linked in.

    `sums` is (clients,) for a rate and (clients, bins) for a distribution's shares.
    """

    sums: Floats
    counts: Floats

    @property
    def means(self) -> Floats:
        """What each is expected to say; NaN where it was not linked."""
        counts = self.counts.reshape(-1, *(1 for _ in self.sums.shape[1:]))
        whole = np.broadcast_to(counts, self.sums.shape)
        nothing = np.full(self.sums.shape, np.nan)
        means: Floats = np.divide(self.sums, whole, out=nothing, where=whole > 0)
        return means

    def at(self, places: NDArray[np.intp], clients: int) -> "Linked":
        """Among so many clients, where these stand at `places`."""
        sums = np.zeros((clients, *self.sums.shape[1:]))
        counts = np.zeros(clients)
        sums[places], counts[places] = self.sums, self.counts
        return Linked(sums, counts)

    def of(self, chosen: Mask) -> "Linked":
        """Of these clients alone."""
        return Linked(self.sums[chosen], self.counts[chosen])


@dataclass(frozen=True, eq=False)
class Joined:
    """The clients that joined, ordered; `examples` over the `rounds` that each was linked in."""

    clients: Pseudonyms
    examples: Floats
    rounds: Floats
    rates: Mapping[str, Linked] = field(default_factory=dict)
    shares: Mapping[str, tuple[Floats, Linked]] = field(default_factory=dict)

    def of(self, chosen: Mask) -> "Joined":
        """The part of it about these clients."""
        return Joined(
            self.clients[chosen],
            self.examples[chosen],
            self.rounds[chosen],
            {name: linked.of(chosen) for name, linked in self.rates.items()},
            {name: (edges, linked.of(chosen)) for name, (edges, linked) in self.shares.items()},
        )

    def pack(self) -> bytes:
        """All of it as bytes; the same clients give the same bytes."""
        return msgspec.msgpack.encode(
            _Stored(
                self.clients.tobytes(),
                self.examples.tobytes(),
                self.rounds.tobytes(),
                {name: _packed(self.rates[name]) for name in sorted(self.rates)},
                {
                    name: (self.shares[name][0].tobytes(), *_packed(self.shares[name][1]))
                    for name in sorted(self.shares)
                },
            )
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """What `pack` wrote."""
        stored = msgspec.msgpack.decode(data, type=_Stored)
        return cls(
            np.frombuffer(stored.clients, PSEUDONYM),
            _floats(stored.examples),
            _floats(stored.rounds),
            {name: Linked(_floats(sums), _floats(n)) for name, (sums, n) in stored.rates.items()},
            {name: _unpacked(*parts) for name, parts in stored.shares.items()},
        )


class _Stored(msgspec.Struct):
    clients: bytes
    examples: bytes
    rounds: bytes
    rates: dict[str, tuple[bytes, bytes]]
    shares: dict[str, tuple[bytes, bytes, bytes]]


NOBODY = Joined(np.empty(0, PSEUDONYM), np.empty(0), np.empty(0))


def without(data: bytes, clients: Pseudonyms) -> bytes | None:
    """Kept newcomers without these clients; None if none of them is there."""
    joined = Joined.unpack(data)
    stay = ~np.isin(joined.clients, clients)
    return None if stay.all() else joined.of(stay).pack()


def _packed(linked: Linked) -> tuple[bytes, bytes]:
    return linked.sums.tobytes(), linked.counts.tobytes()


def _unpacked(edges: bytes, sums: bytes, counts: bytes) -> tuple[Floats, Linked]:
    on = _floats(edges)
    return on, Linked(_floats(sums).reshape(-1, len(on) - 1), _floats(counts))


def _floats(data: bytes) -> Floats:
    return np.frombuffer(data, np.float64)
