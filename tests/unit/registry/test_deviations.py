"""What counts as a deviation: the cases, one by one, and that nothing else does."""

import pytest

from app.registry.deviations import Difference, Kind, Seen, differences
from app.registry.twins import Held, to_be_set

SOURCE = "file:///artifacts/1"
TOLD = {
    "1": Held("1", {"vigie.run": "spring", "vigie.weights_sha256": "a" * 64}, SOURCE),
    "2": Held("2", {"vigie.run": "summer"}, SOURCE),
}
ALIASES = {"champion": "1", "canary": "2"}


def seen(**more: object) -> Seen:
    versions = {held.number: held for held in TOLD.values()}
    return Seen(**({"aliases": dict(ALIASES), "versions": versions} | more))  # type: ignore[arg-type]


def found(now: Seen) -> list[Difference]:
    return list(differences(ALIASES, TOLD, now))


def test_as_it_was_told_nothing_deviates() -> None:
    assert found(seen()) == []


def test_what_others_add_is_theirs() -> None:
    others = Held("9", {"theirs": "yes"}, "s3://elsewhere")
    tagged = Held("1", TOLD["1"].tags | {"note": "nice"}, SOURCE)
    now = seen(
        aliases=ALIASES | {"staging": "9"}, versions={"1": tagged, "2": TOLD["2"], "9": others}
    )
    assert found(now) == []


@pytest.mark.parametrize(
    ("aliases", "expected"),
    [
        ({"champion": "2", "canary": "2"}, ("champion", "1", "2", "critical")),
        ({"canary": "2"}, ("champion", "1", None, "critical")),
        ({"champion": "1"}, ("canary", "2", None, "warning")),
        (ALIASES | {"champion-hub-EWR": "2"}, ("champion-hub-EWR", None, "2", "critical")),
    ],
)
def test_an_alias_that_was_moved_removed_or_made(
    aliases: dict[str, str], expected: tuple[str, str | None, str | None, str]
) -> None:
    (one,) = found(seen(aliases=aliases))
    assert one.kind is Kind.ALIAS_MOVED
    assert (one.key, one.expected, one.found, one.severity) == expected


def test_a_deleted_version_is_one_difference_with_its_aliases() -> None:
    (one,) = found(seen(aliases={"canary": "2"}, versions={"2": TOLD["2"]}))
    assert (one.kind, one.version, one.severity) == (Kind.VERSION_DELETED, "1", "critical")


def test_a_deleted_model_is_one_difference() -> None:
    (one,) = found(Seen(None, {}))
    assert (one.kind, one.severity) == (Kind.MODEL_DELETED, "critical")


def test_a_changed_tag_and_a_changed_source() -> None:
    forged = Held("1", TOLD["1"].tags | {"vigie.weights_sha256": "b" * 64}, "file:///tmp/evil")
    kinds = [(one.kind, one.key) for one in found(seen(versions={"1": forged, "2": TOLD["2"]}))]
    assert kinds == [
        (Kind.SOURCE_CHANGED, "source"),
        (Kind.TAG_CHANGED, "vigie.weights_sha256"),
    ]


def test_what_somebody_changed_is_not_overwritten_unless_it_is_asked_for() -> None:
    moved = {"champion": "7", "canary": "2"}
    assert to_be_set(ALIASES, ALIASES, moved) == {}
    assert to_be_set(ALIASES, None, moved) == {"champion": "1"}
    assert to_be_set({"champion": "2", "canary": None}, ALIASES, moved) == {
        "champion": "2",
        "canary": None,
    }
