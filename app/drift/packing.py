"""Clients' findings as bytes: those of one shard of a round, before the error budget is spent.

Whether a client drifted follows from all shards of the round together, so outcomes are not stored:
`clients.decide` gives the same ones whenever it is asked.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.drift.client_findings import Answers, ClientFindings
from app.rounds.records import PSEUDONYM, Pseudonyms

NUMBERS = ("statistics", "effects", "p_values", "minimum_detectable_effects")
CODES = ("missing", "outcomes")


class _Packed(msgspec.Struct):
    subject: str
    detector: str
    effect_unit: str
    threshold: float
    clients: int  # which of the shard's lists of clients it is on
    numbers: dict[str, bytes]
    codes: dict[str, bytes]


class _Shard(msgspec.Struct):
    clients: list[bytes]
    findings: list[_Packed]


def pack(findings: Sequence[ClientFindings]) -> bytes:
    """The findings of one shard as bytes."""
    lists: dict[bytes, int] = {}
    packed = [_packed(one, lists.setdefault(one.clients.tobytes(), len(lists))) for one in findings]
    encoded = msgspec.msgpack.encode(_Shard(list(lists), packed))
    compressed: bytes = pa.compress(encoded, codec="lz4", asbytes=True)
    return len(encoded).to_bytes(8, "little") + compressed


def unpack(data: bytes) -> list[ClientFindings]:
    """What `pack` packed."""
    encoded = pa.decompress(data[8:], int.from_bytes(data[:8], "little"), "lz4", asbytes=True)
    shard = msgspec.msgpack.decode(encoded, type=_Shard)
    clients = [np.frombuffer(names, PSEUDONYM) for names in shard.clients]
    return [_unpacked(one, clients[one.clients]) for one in shard.findings]


def without(data: bytes, clients: Pseudonyms) -> tuple[bytes, int]:
    """The findings that are not on these clients, and how many are left out."""
    findings = unpack(data)
    staying = [~np.isin(one.clients, clients) for one in findings]
    gone = sum(int(np.count_nonzero(~stay)) for stay in staying)
    if not gone:
        return data, 0
    return pack([one.of(stay) for one, stay in zip(findings, staying, strict=True)]), gone


def _packed(one: ClientFindings, clients: int) -> _Packed:
    return _Packed(
        one.subject,
        one.detector,
        one.effect_unit,
        one.threshold,
        clients,
        {name: getattr(one.answers, name).tobytes() for name in NUMBERS},
        {name: getattr(one, name).tobytes() for name in CODES},
    )


def _unpacked(one: _Packed, clients: NDArray[np.bytes_]) -> ClientFindings:
    numbers = {name: np.frombuffer(data, np.float64) for name, data in one.numbers.items()}
    codes = {name: np.frombuffer(data, np.int8) for name, data in one.codes.items()}
    return ClientFindings(
        one.subject,
        one.detector,
        one.effect_unit,
        one.threshold,
        clients,
        Answers(*(numbers[name] for name in NUMBERS)),
        missing=codes["missing"],
        outcomes=codes["outcomes"],
        q_values=np.full(len(clients), np.nan),
    )
