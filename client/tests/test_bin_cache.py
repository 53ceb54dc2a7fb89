"""Bin specs are fetched once and for ever."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from vigie_client import Bins
from vigie_client.bin_cache import BinCache

ID = "bs_0123456789abcdef"
SPEC = {"id": ID, "labels": ["no", "yes"], "score": {"edges": [0, 0.5, 1]}, "features": {}}


class Asked:
    def __init__(self) -> None:
        self.times = 0

    def get_bin_spec(self, bin_spec: str) -> dict[str, Any]:
        self.times += 1
        return dict(SPEC)


class AskedLater(Asked):
    async def get_bin_spec(self, bin_spec: str) -> dict[str, Any]:  # type: ignore[override]
        return super().get_bin_spec(bin_spec)


def test_the_second_time_nobody_is_asked(tmp_path: Path) -> None:
    api, later = Asked(), AskedLater()
    folder = tmp_path / "a" / "cache"
    for _ in range(2):
        assert Bins.fetch(api, ID, folder).labels == ("no", "yes")
        assert asyncio.run(Bins.fetch_async(later, ID, folder)).labels == ("no", "yes")
    assert (api.times, later.times) == (1, 0)
    asyncio.run(Bins.fetch_async(later, ID, tmp_path / "b"))
    assert later.times == 1


def test_the_users_own_cache_folder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Bins.fetch(Asked(), ID)
    assert json.loads((tmp_path / "vigie" / f"{ID}.json").read_bytes()) == SPEC
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Bins.fetch(Asked(), ID)
    assert (tmp_path / "home/.cache/vigie" / f"{ID}.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"id": "bs_another"}'])
def test_a_spoilt_file_is_fetched_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{ID}.json").write_bytes(content)
    api = Asked()
    Bins.fetch(api, ID, tmp_path)
    Bins.fetch(api, ID, tmp_path)
    assert api.times == 1


def test_a_folder_that_cannot_be_costs_a_request_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    api = Asked()
    assert Bins.fetch(api, ID, tmp_path / "file" / "cache").labels == ("no", "yes")
    assert api.times == 1


@pytest.mark.parametrize("name", ["", "bs_1", "../../etc/passwd", f"{ID}\n"])
def test_what_is_no_id_reaches_no_disk(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no bin spec's id"):
        BinCache(tmp_path).get(name)
