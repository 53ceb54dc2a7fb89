"""KLL sketches as they come: read, merged, and refused where their bytes could do harm.

KLL's coins cannot be seeded, so what is random here has margins that chance does not pass.
"""

import struct

import datasketches
import numpy as np
import pytest

from detectors.errors import (
    BadParameterError,
    DetectorError,
    EmptySampleError,
    NotASketchError,
    NotFiniteError,
    OutOfRangeError,
    ShapeError,
)
from detectors.two_sample.kll_summary import KllSummary, merge_sketches
from detectors.two_sample.sketches import ks_sketch


def test_a_summary_tells_what_it_knows():
    x = np.random.default_rng(11).normal(size=10_000)
    summary = KllSummary.of_values(x, k=100)
    assert (summary.n, summary.k) == (10_000, 100)
    assert (summary.minimum, summary.maximum) == (x.min(), x.max())
    assert summary.weights.sum() == 10_000
    assert (np.diff(summary.values) >= 0).all()
    assert np.isin(summary.values, x).all()
    known = datasketches.kll_doubles_sketch.get_normalized_rank_error(100, False)
    assert summary.rank_error == known


@pytest.mark.parametrize("n", [1, 2, 200, 201, 50_000])
def test_bytes_survive_the_journey(n):
    sent = KllSummary.of_values(np.random.default_rng(12).normal(size=n))
    got = KllSummary.from_bytes(sent.serialised)
    assert (got.n, got.k, got.rank_error) == (sent.n, sent.k, sent.rank_error)
    np.testing.assert_array_equal(got.values, sent.values)
    np.testing.assert_array_equal(got.weights, sent.weights)


def test_weights_are_right_after_a_merge_that_emptied_the_lowest_level():
    """There, datasketches 5.2's iterator gives all values the weight 1."""
    rng, emptied = np.random.default_rng(16), 0
    for _ in range(10):
        parts = [KllSummary.of_values(rng.normal(size=2_000)) for _ in range(30)]
        merged = merge_sketches(parts)
        library = datasketches.kll_doubles_sketch.deserialize(merged.serialised)
        emptied += merged.weights.min() > 1
        below = np.cumsum(merged.weights) / 60_000
        known = [library.get_rank(value, True) for value in merged.values]
        np.testing.assert_allclose(below, known, rtol=1e-12)
    assert emptied > 0


def test_the_order_of_merging_matters_no_more_than_the_error():
    x = np.random.default_rng(13).normal(size=(30, 2_000)) + np.arange(30)[:, np.newaxis]
    parts = [KllSummary.of_values(each) for each in x]
    forward, backward = merge_sketches(parts), merge_sketches(parts[::-1])
    again = KllSummary.from_bytes(forward.serialised)
    assert ks_sketch(forward, again).statistic == 0.0
    between = ks_sketch(forward, backward)
    assert between.statistic <= 1.1 * between.error_bound
    assert (forward.n, forward.minimum, forward.maximum) == (60_000, x.min(), x.max())
    assert forward.rank_error == backward.rank_error == parts[0].rank_error


@pytest.mark.parametrize("coarse_first", [True, False])
def test_merging_is_as_rough_as_the_roughest_that_left_values_out(coarse_first):
    values = np.arange(1_000.0)
    coarse, fine = KllSummary.of_values(values, k=20), KllSummary.of_values(values, k=200)
    few = KllSummary.of_values([1.0], k=10)
    parts = [coarse, few, fine] if coarse_first else [fine, few, coarse]
    merged = merge_sketches(parts)
    assert (merged.k, merged.rank_error) == (200, coarse.rank_error)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([], EmptySampleError),
        ([1.0, np.nan], NotFiniteError),
        ([np.inf], NotFiniteError),
        ([1e200], OutOfRangeError),
        ([[1.0, 2.0]], ShapeError),
    ],
)
def test_values_that_cannot_be_sketched_are_refused(values, error):
    with pytest.raises(error):
        KllSummary.of_values(values)


@pytest.mark.parametrize("k", [0, 7, -1, 65_536])
def test_a_k_out_of_range_is_refused(k):
    with pytest.raises(BadParameterError):
        KllSummary.of_values([1.0], k=k)


def test_nothing_to_merge_is_refused():
    with pytest.raises(EmptySampleError):
        merge_sketches([])


def test_an_empty_sketch_is_empty():
    with pytest.raises(EmptySampleError, match="client-7"):
        KllSummary.from_bytes(datasketches.kll_doubles_sketch(200).serialize(), name="client-7")


def serialised_floats(values):
    sketch = datasketches.kll_floats_sketch(200)
    sketch.update(np.asarray(values, dtype=np.float32))
    return sketch.serialize()


def serialised_integers(values):
    sketch = datasketches.kll_ints_sketch(200)
    sketch.update(np.asarray(values, dtype=np.int32))
    return sketch.serialize()


def serialised_digest(values):
    sketch = datasketches.tdigest_double(100)
    sketch.update(np.asarray(values))
    return sketch.serialize()


@pytest.mark.parametrize("other", [serialised_floats, serialised_integers, serialised_digest])
@pytest.mark.parametrize("n", [1, 2, 1_000])
def test_other_sketches_are_refused(other, n):
    with pytest.raises(NotASketchError):
        KllSummary.from_bytes(other(np.arange(float(n))))


@pytest.mark.parametrize("end", [0, 3, 8, 15, 20, 30, 500, -8, -1])
def test_a_sketch_cut_short_is_refused(end):
    with pytest.raises(NotASketchError):
        KllSummary.from_bytes(patched(8, "<Q", 1_000)[:end])


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\xff" * 100, b"no sketch at all"])
def test_junk_is_refused(junk):
    with pytest.raises(NotASketchError):
        KllSummary.from_bytes(junk)


def test_bytes_after_a_sketch_are_refused():
    with pytest.raises(NotASketchError):
        KllSummary.from_bytes(patched(8, "<Q", 1_000) + b"\0" * 8)


def patched(offset, layout, number):
    data = bytearray(KllSummary.of_values(np.arange(1_000.0)).serialised)
    struct.pack_into(layout, data, len(data) + offset if offset < 0 else offset, number)
    return bytes(data)


@pytest.mark.parametrize(
    ("offset", "layout", "number"),
    [
        (4, "<H", 7),  # k
        (8, "<Q", 999),  # n
        (8, "<Q", 2**63),
        (16, "<H", 3),  # least k
        (16, "<H", 201),
        (18, "<B", 0),  # levels
        (18, "<B", 255),
        (24, "<I", 2**32 - 1),  # the second level's offset
        (-8, "<d", 1e9),  # a value beyond the greatest
    ],
)
def test_a_sketch_that_contradicts_itself_is_refused(offset, layout, number):
    with pytest.raises(NotASketchError):
        KllSummary.from_bytes(patched(offset, layout, number))


def test_values_that_are_not_finite_are_refused_within_a_sketch():
    with pytest.raises(NotFiniteError):
        KllSummary.from_bytes(patched(-8, "<d", np.nan))
    sketch = datasketches.kll_doubles_sketch(200)
    sketch.update(np.array([1.0, np.inf]))
    with pytest.raises(NotFiniteError):
        KllSummary.from_bytes(sketch.serialize())


@pytest.mark.parametrize("n", [1, 2, 5, 300, 20_000])
def test_no_bytes_end_the_process(n):
    """Among 1,000 mutations are many that datasketches 5.2 itself reads beyond its memory for."""
    rng = np.random.default_rng(14)
    good = KllSummary.of_values(rng.normal(size=n), k=8)
    for _ in range(1_000):
        data = np.frombuffer(good.serialised, dtype=np.uint8).copy()
        places = rng.integers(0, min(data.size, 60), size=rng.integers(1, 4))
        data[places] = rng.choice([0, 1, 2, 4, 5, 8, 255, rng.integers(256)], size=places.size)
        try:
            read = KllSummary.from_bytes(data.tobytes())
        except DetectorError:
            continue
        assert merge_sketches([read, good]).n == read.n + good.n
