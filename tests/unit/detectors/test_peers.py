"""What peers do wrong, or differently, as the page of peers says; and what is done here instead."""

import signal
import struct
import subprocess
import sys

import datasketches
import numpy as np
import pytest
from river import drift

from detectors import KllSummary, create, ks_sketch
from detectors.errors import NotASketchError

READ = """
import sys
import datasketches
datasketches.kll_doubles_sketch.deserialize(sys.stdin.buffer.read()).get_rank(500.0)
"""
FIRST_OFFSET = 20  # bytes before the offsets of levels


def sketch(values, k=200):
    made = datasketches.kll_doubles_sketch(k)
    made.update(np.asarray(values, dtype=np.float64))
    return made


def summary(made):
    return KllSummary.from_bytes(made.serialize())


def of_two_values(size):
    """As many zeros as ones, few enough that a sketch keeps them all."""
    return sketch(np.repeat([0.0, 1.0], size // 2))


def test_datasketches_calls_equal_shares_different():
    """Both are half zeros, half ones, and every value is kept: D is 0."""
    few, many = of_two_values(40), of_two_values(160)
    for pair in ((few, many), (many, few)):
        assert datasketches.ks_test(*pair, 0.05)
        result = ks_sketch(*map(summary, pair))
        assert (result.statistic, result.p_value) == (0.0, 1.0)


@pytest.mark.parametrize("size", [100, 1_000])
def test_datasketches_calls_any_two_sizes_of_one_tied_distribution_different(size):
    rng = np.random.default_rng(size)
    for _ in range(10):
        few, many = sketch(rng.integers(0, 2, size)), sketch(rng.integers(0, 2, 100 * size))
        assert datasketches.ks_test(few, many, 0.001)
        assert ks_sketch(summary(few), summary(many)).p_value > 0.001


def merged_from_thirty():
    rng, merged = np.random.default_rng(16), datasketches.kll_doubles_sketch(200)
    for _ in range(30):
        merged.merge(sketch(rng.normal(size=2_000)))
    return merged


def test_datasketches_iterator_loses_the_weights_where_the_lowest_level_is_empty():
    merged = merged_from_thirty()
    ours = summary(merged)
    assert (ours.weights.min() > 1, ours.weights.sum()) == (True, 60_000)
    weights = [weight for _, weight in merged]
    assert (set(weights), sum(weights)) == ({1}, ours.weights.size)


@pytest.mark.skipif(sys.platform == "win32", reason="there a process ends without a signal")
@pytest.mark.parametrize("offset", [2**31, 2**32 - 1])
def test_datasketches_ends_the_process_on_a_wrong_offset_that_is_refused_here(offset):
    wrong = bytearray(sketch(np.arange(1_000.0)).serialize())
    struct.pack_into("<I", wrong, FIRST_OFFSET + 4, offset)
    read = subprocess.run([sys.executable, "-c", READ], input=wrong, check=False)
    assert -read.returncode in {signal.SIGSEGV, signal.SIGBUS}
    with pytest.raises(NotASketchError):
        KllSummary.from_bytes(bytes(wrong))


def rounds_of_accuracy(seed):
    """100 rounds of a mean accuracy of 0.8 with a spread of 0.02, then 100 five spreads lower."""
    values = 0.8 + 0.02 * np.random.default_rng(seed).normal(size=200)
    values[100:] -= 5 * 0.02
    return values


def alarms(detector, values):
    found = []
    for number, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            found.append(number)
    return found


@pytest.mark.parametrize(
    ("name", "peer"), [("adwin", drift.ADWIN), ("page-hinkley", drift.PageHinkley)]
)
def test_textbook_defaults_find_nothing_in_raw_metrics_and_all_in_standardised_ones(name, peer):
    for seed in range(40):
        values = rounds_of_accuracy(seed)
        assert alarms(peer(), values) == alarms(create(name), values) == []
        reference = values[:50]
        standardised = (values - reference.mean()) / reference.std(ddof=1)
        first = alarms(create(name), standardised)[0]
        assert 100 <= first < 140
