import hashlib
import hmac

import pytest

from vigie_client import Pseudonyms, generate_key

KEY = bytes(range(32))


def test_is_the_wire_formats_hmac() -> None:
    expected = hmac.new(KEY, "Hôpital 7".encode(), hashlib.sha256).hexdigest()[:32]
    assert Pseudonyms(KEY)("Hôpital 7") == f"c_{expected}"


def test_lasts_and_tells_clients_and_federations_apart() -> None:
    assert Pseudonyms(KEY)("a") == Pseudonyms(KEY)("a")
    assert len({Pseudonyms(KEY)("a"), Pseudonyms(KEY)("b"), Pseudonyms(generate_key())("a")}) == 3


@pytest.mark.parametrize("key", [b"", b"secret", bytes(31)])
def test_short_keys_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match=rf"has {len(key)} bytes; at least 32"):
        Pseudonyms(key)


def test_an_empty_identity_is_refused() -> None:
    with pytest.raises(ValueError, match="identity is empty"):
        Pseudonyms(KEY)("")


def test_keys_are_fresh_and_stay_hidden() -> None:
    key = generate_key()
    assert len(key) == 32
    assert key != generate_key()
    assert key.hex() not in repr(Pseudonyms(key))
    assert repr(key) not in repr(Pseudonyms(key))
