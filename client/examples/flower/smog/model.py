# mypy: disable-error-code="import-not-found,import-untyped"
"""The model: a logistic regression of scikit-learn, whose weights are one array."""

import numpy as np
from sklearn.linear_model import SGDClassifier

from smog.stations import Floats, Labels

EPOCHS = 3


def model(weights: Floats) -> SGDClassifier:
    """Return the model with these weights: one a feature, then the intercept."""
    made = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, random_state=0)
    made.classes_ = np.array([0, 1])
    made.coef_, made.intercept_ = weights[None, :-1].copy(), weights[-1:].copy()
    return made


def trained(weights: Floats, x: Floats, y: Labels) -> Floats:
    """Return the weights after some passes over a station's own readings."""
    made = model(weights)
    for _ in range(EPOCHS):
        made.partial_fit(x, y, classes=[0, 1])
    return np.concatenate((made.coef_[0], made.intercept_))
