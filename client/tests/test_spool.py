from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vigie_client import SpoolFull, SpoolLocked, files
from vigie_client.spool import Spool

Open = Callable[..., Spool]


@pytest.fixture
def open_spool(tmp_path: Path) -> Iterator[Open]:
    opened: list[Spool] = []

    def opener(max_files: int = 100, max_bytes: int = 10_000, receipts_kept: int = 2) -> Spool:
        spool = Spool(
            tmp_path / "a" / "spool",
            max_files=max_files,
            max_bytes=max_bytes,
            receipts_kept=receipts_kept,
        )
        opened.append(spool)
        return spool

    yield opener
    for spool in opened:
        spool.close()


def reopened(spool: Spool, open_spool: Open) -> Spool:
    spool.close()
    return open_spool()


def put(spool: Spool, push: bytes) -> None:
    """Hand a push over, and settle it as it is."""
    spool.add(push)
    newcomer = spool.newcomer()
    assert newcomer is not None
    spool.settle(*newcomer)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_first_in_first_out_through_a_restart(open_spool: Open) -> None:
    spool = open_spool()
    for push in (b"one", b"two", b"three"):
        put(spool, push)
    spool.mark_delivered(1, b"{}")
    later = reopened(spool, open_spool)
    assert later.pending == 2
    assert later.oldest() == (2, b"two")
    put(later, b"four")
    later.mark_delivered(2, b"{}")
    later.mark_delivered(3, b"{}")
    assert later.oldest() == (4, b"four")


def test_numbers_are_never_used_twice(open_spool: Open) -> None:
    spool = open_spool()
    put(spool, b"one")
    spool.mark_delivered(1, b"{}")
    later = reopened(spool, open_spool)
    put(later, b"two")
    assert later.oldest() == (2, b"two")


def test_what_lies_where(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool()
    for push in (b"one", b"two", b"three"):
        put(spool, push)
    spool.mark_delivered(1, b"receipt")
    spool.mark_refused(2, b"problem")
    folder = tmp_path / "a" / "spool"
    assert tree(folder) == {
        "lock",
        "receipts/000000000001.json",
        "refused/000000000002.push",
        "refused/000000000002.problem.json",
        "pending/000000000003.push",
    }
    assert (folder / "refused/000000000002.problem.json").read_bytes() == b"problem"
    assert (spool.pending, spool.refused) == (1, 1)


def test_only_the_owner_may_read(open_spool: Open, tmp_path: Path) -> None:
    put(open_spool(), b"one")
    folder = tmp_path / "a" / "spool"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "pending/000000000001.push").stat().st_mode & 0o077 == 0


def test_a_crash_between_receipt_and_removal_sends_nothing_again(
    open_spool: Open, tmp_path: Path
) -> None:
    spool = open_spool()
    put(spool, b"one")
    (tmp_path / "a/spool/receipts/000000000001.json").write_bytes(b"{}")
    later = reopened(spool, open_spool)
    assert later.oldest() is None
    assert tree(tmp_path / "a/spool/pending") == set()


def test_a_crash_in_the_middle_of_a_write_leaves_nothing(
    open_spool: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    spool = open_spool()
    with monkeypatch.context() as patched:
        patched.setattr(files, "move", crash)
        with pytest.raises(KeyboardInterrupt):
            put(spool, b"whole")
    assert spool.oldest() is None
    assert tree(tmp_path / "a/spool/pending") == {".000000000001.push.tmp"}
    later = reopened(spool, open_spool)
    assert tree(tmp_path / "a/spool/pending") == set()
    assert later.newcomer() == (1, b"whole")
    later.settle(1, b"whole")
    assert later.oldest() == (1, b"whole")


def test_what_was_handed_over_outlasts_the_process_and_counts(
    open_spool: Open, tmp_path: Path
) -> None:
    spool = open_spool(max_files=2)
    spool.add(b"one")
    spool.add(b"two")
    assert (spool.incoming, spool.pending, spool.oldest()) == (2, 2, None)
    with pytest.raises(SpoolFull):
        spool.add(b"three")
    assert spool.turned_away == 1
    later = reopened(spool, open_spool)
    assert (later.incoming, later.newcomer()) == (2, (1, b"one"))
    later.settle(1, b"ONE")
    later.set_aside(2, b"TWO", b"problem")
    assert (later.incoming, later.pending, later.refused) == (0, 1, 1)
    assert tree(tmp_path / "a/spool") == {
        "lock",
        "pending/000000000001.push",
        "refused/000000000002.push",
        "refused/000000000002.problem.json",
    }


def test_a_crash_between_settling_and_removal_sends_nothing_twice(
    open_spool: Open, tmp_path: Path
) -> None:
    spool = open_spool()
    spool.add(b"one")
    (tmp_path / "a/spool/pending/000000000001.push").write_bytes(b"ONE")
    later = reopened(spool, open_spool)
    assert (later.incoming, later.oldest()) == (0, (1, b"ONE"))


def test_an_incoming_round_removed_by_hand_is_passed_over(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool()
    spool.add(b"one")
    (tmp_path / "a/spool/incoming/000000000001.round").unlink()
    assert spool.newcomer() is None
    assert spool.pending == 0


def test_refused_pushes_return_to_their_place(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool()
    for push in (b"one", b"two", b"three"):
        put(spool, push)
    spool.mark_refused(1, b"problem")
    later = reopened(spool, open_spool)
    assert (later.pending, later.refused) == (2, 1)
    assert later.restore_refused() == 1
    assert later.oldest() == (1, b"one")
    assert tree(tmp_path / "a/spool/refused") == set()
    assert later.restore_refused() == 0


def test_the_newest_receipts_are_kept(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool(receipts_kept=2)
    for number in (1, 2, 3, 4):
        put(spool, b"push")
        spool.mark_delivered(number, b"{}")
    assert tree(tmp_path / "a/spool/receipts") == {"000000000003.json", "000000000004.json"}


def test_a_full_spool_refuses_the_newest_and_keeps_the_rest(open_spool: Open) -> None:
    spool = open_spool(max_files=2)
    put(spool, b"one")
    put(spool, b"two")
    with pytest.raises(SpoolFull, match=r"2 pending and 0 refused pushes .* \(bounds: 2 files"):
        put(spool, b"three")
    assert spool.oldest() == (1, b"one")
    spool.mark_delivered(1, b"{}")
    put(spool, b"four")
    assert spool.pending == 2


def test_bytes_are_bounded_too_and_refused_pushes_count(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool(max_bytes=10)
    put(spool, b"123456")
    with pytest.raises(SpoolFull, match="no room for 5 bytes more"):
        put(spool, b"12345")
    spool.mark_refused(1, b"problem")
    with pytest.raises(SpoolFull, match="0 pending and 1 refused"):
        put(spool, b"12345")
    (tmp_path / "a/spool/refused/000000000001.push").unlink()
    put(spool, b"12345")
    assert spool.refused == 0


def test_a_push_removed_by_hand_is_passed_over(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool()
    put(spool, b"one")
    put(spool, b"two")
    (tmp_path / "a/spool/pending/000000000001.push").unlink()
    assert spool.oldest() == (2, b"two")
    assert spool.pending == 1


def test_one_reporter_a_spool(open_spool: Open) -> None:
    spool = open_spool()
    with pytest.raises(SpoolLocked, match=r"belongs to another reporter \(process \d+\)"):
        open_spool()
    assert reopened(spool, open_spool).pending == 0


def test_a_platform_without_locks_is_told(
    open_spool: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "fcntl", None)
    with pytest.raises(SpoolLocked, match="needs fcntl locks"):
        open_spool()


def test_bounds_of_nothing_are_refused(open_spool: Open) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        open_spool(max_files=0)
