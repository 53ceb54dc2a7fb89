"""How a round went as a whole: who took part, how fast, and how much of it was refused."""

from collections.abc import Iterator, Mapping

from app.rounds.tables import Round

# What is wrong with what a record says, and not with how it is written.
FUNCTIONAL = frozenset(
    {
        "cohort_too_small",
        "duplicate_client",
        "identity_like_pseudonym",
        "impossible_moments",
        "inconsistent_counts",
        "negative_count",
        "privacy_budget_exceeded",
        "reported_twice",
        "unknown_cohort_tag",
        "withdrawn_client",
    }
)


def rates_of(round_: Round, refused: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    """The rates of a round that its envelope and its refusals tell.

    `participation` is the share of the available clients that replied, `error_share` that of the
    sampled ones which failed or timed out, `latency_ms` the median one; `rejected_...` are shares
    of the records that came.
    """
    told = round_.envelope.get("participation") or {}
    if told.get("available") and told.get("replied") is not None:
        yield "participation", told["replied"] / told["available"]
    if told.get("sampled"):
        failed = (told.get("timed_out") or 0) + sum((told.get("errors") or {}).values())
        yield "error_share", failed / told["sampled"]
    if told.get("latency_p50_ms") is not None:
        yield "latency_ms", float(told["latency_p50_ms"])
    came = round_.accepted + round_.quarantined
    functional = sum(count for code, count in refused.items() if code in FUNCTIONAL)
    if came:
        yield "rejected_functional", functional / came
        yield "rejected_technical", (sum(refused.values()) - functional) / came
