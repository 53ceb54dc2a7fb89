import numpy as np
import pytest

from detectors.clients.concept import Given
from detectors.clients.tracking import judge_round, track_concepts
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    ShapeError,
    TooFewError,
)

# The joint distribution of label and prediction under each concept.
CONCEPTS = np.array([[[0.60, 0.03], [0.05, 0.32]], [[0.52, 0.03], [0.13, 0.32]]])


def drawn(seed, truth, n, noise_sd=0.0):
    rng = np.random.default_rng(seed)
    cells = CONCEPTS[truth].reshape(*truth.shape, 4)
    counts = rng.multinomial(n, cells).reshape(*truth.shape, 2, 2).astype(float)
    return counts + rng.laplace(0, noise_sd / np.sqrt(2), counts.shape) if noise_sd else counts


@pytest.mark.parametrize("noise_sd", [0.0, 1.4])
@pytest.mark.parametrize("given_", Given)
def test_false_alarms_are_as_rare_as_asked_for(noise_sd, given_):
    still = np.zeros((9, 40), dtype=int)
    alarms = [
        track_concepts(
            drawn(s, still, 80, noise_sd), noise_sd=noise_sd, given=given_, alpha=0.02
        ).alarms[1:]
        for s in range(4)
    ]
    rate, tests = np.mean(alarms), np.size(alarms)
    assert rate <= 0.02 + 3 * np.sqrt(0.02 * 0.98 / tests)


def test_clients_that_differ_by_nature_do_not_alarm():
    rng = np.random.default_rng(7)
    alarms = []
    for _ in range(4):
        errors = np.clip(rng.normal(0.1, 0.03, 20), 0.02, 0.3)
        cells = np.stack((0.5 - errors / 2, errors / 2, errors / 2, 0.5 - errors / 2), axis=-1)
        counts = rng.multinomial(500, np.broadcast_to(cells, (8, 20, 4))).reshape(8, 20, 2, 2)
        alarms.append(track_concepts(counts, alpha=0.01).alarms[1:])
    assert np.mean(alarms) <= 0.02


def test_a_change_is_found_with_its_onset():
    truth = np.zeros((8, 10), dtype=int)
    truth[4:, :3] = 1
    found, late = 0, 0
    for seed in range(5):
        track = track_concepts(drawn(seed, truth, 600))
        found += track.alarms[4:6, :3].any(axis=0).sum()
        late += (track.onsets[-1, :3] == 4).sum()
        assert track.clusters.clusters == 2
        assert track.alarms[:4].sum() + track.alarms[:, 3:].sum() <= 1
    assert found >= 14
    assert late >= 13


def test_what_others_showed_makes_a_client_found_sooner():
    truth = np.zeros((4, 16), dtype=int)
    truth[1, 0] = 1
    alone = [track_concepts(drawn(s, truth[:2, :1], 300)).p_values[1, 0] for s in range(12)]
    together = [track_concepts(drawn(s, truth[:2], 300)).p_values[1, 0] for s in range(12)]
    assert np.median(together) < np.median(alone) / 3


def test_small_changes_add_up_over_rounds():
    truth = np.zeros((8, 6), dtype=int)
    truth[5:, 0] = 1
    alarms = np.array([track_concepts(drawn(s, truth, 100)).alarms[5:, 0] for s in range(10)])
    assert alarms.any(axis=1).mean() >= alarms[:, 0].mean() + 0.2


def test_rounds_one_by_one_are_judged_as_together():
    truth = np.zeros((6, 5), dtype=int)
    truth[3:, :2] = 1
    counts, onsets = drawn(5, truth, 400), np.zeros(5, dtype=int)
    track = track_concepts(counts)
    for t in range(1, 6):
        judgement = judge_round(counts[: t + 1], onsets)
        onsets = judgement.onsets
        assert np.array_equal(judgement.p_values, track.p_values[t])
        assert np.array_equal(judgement.clusters.labels[-1], track.labels[t])
    assert np.array_equal(onsets, track.onsets[-1])
    with pytest.raises(TooFewError):
        judge_round(counts[:1], onsets)
    with pytest.raises(ShapeError):
        judge_round(counts, [0, 0])
    with pytest.raises(BadParameterError):
        judge_round(counts, [0, 0, 5, 0, 0])


def test_a_round_knows_nothing_of_later_ones():
    truth = np.zeros((7, 6), dtype=int)
    truth[3:, :2] = 1
    counts = drawn(1, truth, 400)
    whole, part = track_concepts(counts), track_concepts(counts[:5])
    assert np.array_equal(whole.p_values[:5], part.p_values)
    assert np.array_equal(whole.onsets[:5], part.onsets)


def test_the_order_of_clients_does_not_matter():
    truth = np.zeros((6, 6), dtype=int)
    truth[3:, :2] = 1
    counts, order = drawn(2, truth, 300), [3, 0, 5, 1, 4, 2]
    plain, other = track_concepts(counts), track_concepts(counts[:, order])
    assert plain.p_values[:, order] == pytest.approx(other.p_values, rel=1e-6)


def test_an_absent_client_is_not_judged():
    counts = drawn(3, np.zeros((5, 4), dtype=int), 200)
    counts[2:, 1] = 0
    track = track_concepts(counts)
    assert track.p_values[4, 1] == 1
    assert np.isfinite(track.p_values).all()


@pytest.mark.parametrize(
    ("counts", "options", "error"),
    [
        (np.ones((2, 2, 2)), {}, ShapeError),
        (np.ones((2, 3, 2, 3)), {}, ShapeError),
        (np.zeros((0, 3, 2, 2)), {}, ShapeError),
        (np.zeros((2, 3, 2, 2)), {}, EmptySampleError),
        (-np.ones((2, 3, 2, 2)), {}, NegativeCountError),
        (np.ones((2, 3, 2, 2)), {"alpha": 1.0}, BadParameterError),
        (np.ones((2, 3, 2, 2)), {"noise_sd": -1.0}, BadParameterError),
    ],
)
def test_bad_input_is_refused_by_name(counts, options, error):
    with pytest.raises(error):
        track_concepts(counts, **options)
