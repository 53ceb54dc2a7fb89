"""What a round says of a version, read from its records: rates, distributions, how it went."""

from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from app.core import clock
from app.drift.measurements import RoundMeasure, declared_noise_sd, measure_round
from app.rounds.records import Records, read
from app.rounds.reports import report_of
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round
from detectors import consensus_distance, neighbourhood_distance
from tests.rounds import BIN_SPEC, blocks, pseudonym, record

BINS = BinSpecIn.model_validate(BIN_SPEC)


def round_of(**envelope: Any) -> Round:
    at = clock.now()
    return Round(
        id=uuid4(), federation_id=uuid4(), run="serve", number=1, phase="evaluate", attempt=1,
        global_step=1, model="late-arrival", version="1", started_at=at, ended_at=at,
        envelope=envelope, body_sha256="0" * 64, accepted=8, quarantined=2, received_at=at,
    )  # fmt: skip


def records_of(*records: dict[str, Any]) -> Records:
    round_id = uuid4()
    return read(blocks([report_of(round_id, dict(one)) for one in records]))


def measured(*records: dict[str, Any], version: str = "1", **envelope: Any) -> RoundMeasure:
    return measure_round(round_of(**envelope), records_of(*records), BINS, version)


def test_clients_are_in_order_and_those_that_failed_or_had_nothing_are_left_out() -> None:
    found = measured(
        record("b"), record("a"), record("c", status="error"), record("d") | {"num_examples": 0}
    )
    names = sorted(pseudonym(name).encode() for name in "ab")
    assert found.clients.tolist() == names


def test_rates_are_means_per_example() -> None:
    (only,) = (measured(record("a", n=200, late=50)),)
    assert only.rates["error_rate"] == pytest.approx([0.25])
    assert only.rates["log_loss"] == pytest.approx([0.3 + 0.9 * 0.25])
    assert only.rates["label:late"] == pytest.approx([0.25])
    assert "label:on time" not in only.rates  # it is the complement


def test_calibration_is_what_happened_beyond_what_was_predicted() -> None:
    counts = [0, 80, 20, 0]  # middles 0.375 and 0.625: 0.425 predicted
    late = measured(record("a", n=100, late=60, score_histogram=counts))
    early = measured(record("a", n=100, late=10, score_histogram=counts))
    assert late.rates["calibration"] == pytest.approx([0.6 - 0.425])
    assert early.rates["calibration"] == pytest.approx([0.1 - 0.425])


def test_what_a_client_did_not_tell_is_nan_and_what_nobody_told_is_no_subject() -> None:
    silent = record("b")
    del silent["metrics"]
    found = measured(record("a"), silent)
    assert np.isnan(found.rates["error_rate"]).sum() == 1
    assert found.telling("error_rate").sum() == 1
    assert "update_norm" not in found.rates
    assert found.telling("update_norm").sum() == 0


def test_a_candidate_is_measured_by_its_own_block() -> None:
    canary = {"metrics": {"loss_sum": 90.0, "correct_count": 10}}
    found = measured(record("a", canary=canary), version="2")
    assert found.rates["log_loss"] == pytest.approx([0.9])
    assert found.rates["error_rate"] == pytest.approx([0.9])
    assert "prediction" not in found.histograms


def test_how_a_round_went_is_told_by_its_envelope_and_its_refusals() -> None:
    told = {
        "available": 20, "sampled": 16, "replied": 10, "timed_out": 2, "errors": {"oom": 4},
        "latency_p50_ms": 250.0,
    }  # fmt: skip
    refused = {"malformed_pseudonym": 1, "negative_count": 1}
    found = measure_round(round_of(participation=told), records_of(record("a")), BINS, "1", refused)
    assert found.whole == {
        "participation": 0.5,
        "error_share": 6 / 16,
        "latency_ms": 250.0,
        "rejected_functional": 0.1,
        "rejected_technical": 0.1,
    }


def test_consensus_distance_under_a_server_and_among_peers() -> None:
    norms, cosines, means = [3.0, 4.0, 5.0], [0.6, 0.8, 0.9], [2.0, 2.5, 3.0]
    pairs = list(zip("abc", norms, cosines, means, strict=True))
    server = measured(
        *(record(name, update={"norm": norm, "cosine": cosine}) for name, norm, cosine, _ in pairs)
    )
    peers = measured(
        *(
            record(name, update={"norm": norm, "cosine": cosine, "mean_norm": mean})
            for name, norm, cosine, mean in pairs
        )
    )
    expected = consensus_distance(norms, cosines, [100.0] * 3).relative
    assert server.whole["consensus_distance"] == pytest.approx(expected)
    expected = neighbourhood_distance(norms, means, cosines).relative
    assert peers.whole["consensus_distance"] == pytest.approx(expected)
    partly = measured(record("a", update={"norm": 3.0, "cosine": 0.6}), record("b"))
    assert "consensus_distance" not in partly.whole


@pytest.mark.parametrize(
    ("privacy", "sd"),
    [
        ({"mechanism": "none"}, 0.0),
        ({"mechanism": "laplace", "sensitivity": 1.0, "epsilon": 0.5}, np.sqrt(8)),
        ({"mechanism": "geometric", "sensitivity": 1.0, "epsilon": 1.0}, 1.3569),
        ({"mechanism": "gaussian", "sensitivity": 1.0, "epsilon": 1.0, "delta": 1e-5}, 4.8448),
    ],
)
def test_declared_noise_is_known_noise(privacy: dict[str, Any], sd: float) -> None:
    assert declared_noise_sd(privacy) == pytest.approx(sd, rel=1e-4)
