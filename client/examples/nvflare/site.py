# mypy: disable-error-code="import-not-found,import-untyped,misc"
"""What runs at each site: a logistic regression on data that never leaves it.

For Vigie: ``_record``, and the line with ``attach``. The site's data is
``<folder>/<site>.npz``: ``x`` of shape (windows, examples, features) and ``y`` (windows, examples).
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import nvflare.client as flare
from sklearn.linear_model import SGDClassifier

from vigie_client import Bins, Summary
from vigie_client.nvflare import attach

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

KEY = "numpy_key"  # the name under which FLARE's NPModelPersistor keeps its one array
FEATURES = ("PM10", "SO2", "NO2", "CO", "TEMP", "DEWP", "WSPM")


def main() -> None:
    """Train or evaluate, as the server asks, until the job is over."""
    args = _arguments()
    bins = Bins(json.loads((args.folder / "bins.json").read_text()))
    flare.init()
    data = np.load(args.folder / f"{flare.get_site_name()}.npz")
    while flare.is_running():
        received = flare.receive()
        weights = np.asarray(received.params[KEY], dtype=np.float64)
        window = args.window if flare.is_train() else received.current_round
        x, y = data["x"][window], data["y"][window]

        answer = flare.FLModel(
            params={KEY: _trained(weights, x, y)} if flare.is_train() else None,
            metrics={"accuracy": float(_model(weights).score(x, y))},
        )
        # A function, so that whatever is wrong in it costs the record and not the answer.
        attach(answer.meta, partial(_record, bins, _model(weights).predict_proba(x), x, y))
        flare.send(answer)


def _record(bins: Bins, probabilities: Floats, x: Floats, y: Labels) -> dict[str, Any]:
    summary = Summary(bins)
    summary.add(probabilities, y, features=dict(zip(FEATURES, x.T, strict=True)))
    return summary.record("")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--window", type=int, default=0, help="the window to train on")
    return parser.parse_args()


def _model(weights: Floats) -> SGDClassifier:
    """The model with these weights: one a feature, then the intercept."""
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, random_state=0)
    model.classes_ = np.array([0, 1])
    model.coef_, model.intercept_ = weights[None, :-1].copy(), weights[-1:].copy()
    return model


def _trained(weights: Floats, x: Floats, y: Labels) -> Floats:
    model = _model(weights)
    for _ in range(3):
        model.partial_fit(x, y, classes=[0, 1])
    return np.concatenate((model.coef_[0], model.intercept_))


if __name__ == "__main__":
    main()
