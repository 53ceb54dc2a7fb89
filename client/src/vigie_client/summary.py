"""``Summary``: predictions, labels and features to what may leave a client."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vigie_client.bins import Bins, Counts, Values
from vigie_client.noise import SUMS, Noise, Path

_EXAMPLES: Path = ("num_examples",)
_BINARY = 2
_LEAST_PROBABILITY = 1e-15  # a model that was certain and wrong has a finite loss


class Summary:
    """One client's examples in one round, reduced to sums and to counts on the federation's bins.

    Batches are added one by one, and nothing of a single example is kept::

        summary = Summary(Bins(api.get_bin_spec(spec_id)))
        for x, y in batches:
            summary.add(model.predict_proba(x), y, features={"age": x[:, 0]})
        record = summary.record(pseudonym("hospital-7"), cohorts={"region": "north"})

    Runs where the data is: at the client. The record goes to the FL server, and from there to Vigie
    among the ``clients`` of a round's body. With ``noise``, every number of the record that comes
    from examples carries it, and ``privacy`` is what the round's body has to say of that; what is
    given as ``cohorts``, ``update`` or ``resources`` passes as it is.
    """

    def __init__(
        self, bins: Bins, *, positive_from: float = 0.5, noise: Noise | None = None
    ) -> None:
        """``positive_from`` is the probability from which a binary model says class 1."""
        self._bins = bins
        self._positive_from = positive_from
        self._noise = noise
        self._sums: dict[Path, npt.NDArray[Any]] = {}
        self._released: dict[Path, npt.NDArray[Any]] | None = None

    def add(
        self,
        probabilities: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
        *,
        features: Mapping[str, npt.ArrayLike] | None = None,
        candidate: npt.ArrayLike | None = None,
    ) -> None:
        """Count a batch of n examples.

        ``probabilities`` are those of class 1, shape (n,), or of every class, (n, classes); the
        score is that of class 1 where there are two classes, else the highest. ``labels`` are class
        numbers, (n,), in the order of the bin spec; without them (they may come later) there are
        no losses and no confusion. ``candidate`` has a second model's probabilities on the same
        examples, for rounds of phase canary; without labels, what both predict is counted crosswise
        (``crossed``), from which an older model can judge a newer one. ``features`` has n values a
        name. ``ValueError`` says what cannot be counted.
        """
        champion = self._whole(probabilities, "probabilities")
        truth = None if labels is None else self._classes(labels, len(champion))
        counted = self._features(features or {}, len(champion))
        counted |= self._performance(champion, truth)
        if truth is not None:
            counted["label_counts",] = np.bincount(truth, minlength=len(self._bins.labels))
        if candidate is not None:
            counted |= self._canary(champion, self._whole(candidate, "candidate"), truth)
        self._take(len(champion), counted)

    def record(
        self,
        client: str,
        *,
        cohorts: Mapping[str, str] | None = None,
        update: Mapping[str, float] | None = None,
        resources: Mapping[str, float] | None = None,
        candidate_ms: float | None = None,
    ) -> dict[str, Any]:
        """Return the client record of the wire format, in JSON values.

        ``candidate_ms`` is how long the candidate of a canary took, in milliseconds, as
        ``resources["evaluate_ms"]`` says of the champion.

        Noise is drawn once: the next call returns the same numbers, and ``add`` raises from then
        on, since more batches would have to be noised anew. Raises what ``Noise.released`` does.
        """
        record: dict[str, Any] = {
            "client": client,
            "cohorts": dict(cohorts or {}),
            "status": "ok",
        }
        for path, total in self._numbers().items():
            block = record
            for key in path[:-1]:
                block = block.setdefault(key, {})
            block[path[-1]] = total.tolist()
        record |= {"update": dict(update)} if update else {}
        record |= {"resources": dict(resources)} if resources else {}
        if candidate_ms is not None:
            record.setdefault("canary", {})["evaluate_ms"] = candidate_ms
        return record

    @property
    def privacy(self) -> dict[str, Any]:
        """The body's ``privacy`` for the record as it is by now; see ``common_privacy``."""
        return {"mechanism": "none"} if self._noise is None else self._noise.declared(self._exact())

    def _numbers(self) -> Mapping[Path, npt.NDArray[Any]]:
        if self._noise is None:
            return self._exact()
        if self._released is None:
            self._released = self._noise.released(self._exact())
            self._released[_EXAMPLES] = np.maximum(self._released[_EXAMPLES], 0)
        return self._released

    def _exact(self) -> Mapping[Path, npt.NDArray[Any]]:
        return {_EXAMPLES: np.asarray(0), **self._sums}

    def _take(self, examples: int, counted: Mapping[Path, npt.NDArray[Any]]) -> None:
        if self._released is not None:
            raise ValueError("The record was made, and noised; start another Summary.")
        counted = {_EXAMPLES: np.asarray(examples), **counted}
        if self._sums and counted.keys() != self._sums.keys():
            odd = sorted(".".join(path) for path in counted.keys() ^ self._sums.keys())
            raise ValueError(f"Every batch must say the same things; this one differs in {odd}.")
        for path, counts in counted.items():
            self._sums[path] = self._sums.get(path, 0) + counts

    def _performance(self, each: Values, truth: Counts | None) -> dict[Path, npt.NDArray[Any]]:
        classes = len(self._bins.labels)
        predicted = self._predicted(each)
        score = each[:, 1] if classes == _BINARY else each.max(axis=1)
        counted: dict[Path, npt.NDArray[Any]] = {
            ("prediction_counts",): np.bincount(predicted, minlength=classes),
            ("score_histogram",): self._bins.score(score),
        }
        if truth is None:
            return counted
        loss = -np.log(np.maximum(each[np.arange(len(each)), truth], _LEAST_PROBABILITY))
        sums = _sums(loss) if self._noise is None else self._noise.parts(loss)
        counted |= {("metrics", name): total for name, total in sums.items()}
        counted["metrics", "correct_count"] = np.asarray((predicted == truth).sum())
        counted["confusion",] = _table(truth, predicted, size=classes)
        return counted

    def _canary(
        self, champion: Values, candidate: Values, truth: Counts | None
    ) -> dict[Path, npt.NDArray[Any]]:
        if len(candidate) != len(champion):
            raise ValueError(
                f"The candidate has {len(candidate)} predictions and the champion {len(champion)}; "
                "both must be asked about the same examples."
            )
        counted = self._performance(candidate, truth)
        del counted["prediction_counts",]
        predicted = (self._predicted(champion), self._predicted(candidate))
        if truth is None:
            counted["crossed",] = _table(*predicted, size=len(self._bins.labels))
        else:
            wrong = (predicted[0] != truth, predicted[1] != truth)
            counted["agreement",] = _table(*wrong, size=_BINARY)
        return {("canary", *path): counts for path, counts in counted.items()}

    def _predicted(self, each: Values) -> Counts:
        if len(self._bins.labels) == _BINARY:
            return (each[:, 1] >= self._positive_from).astype(np.int64)
        return np.asarray(each.argmax(axis=1), dtype=np.int64)

    def _features(
        self, features: Mapping[str, npt.ArrayLike], size: int
    ) -> dict[Path, npt.NDArray[Any]]:
        known = {*self._bins.features, *self._bins.projected}
        for name, values in features.items():
            if name not in known:
                listed = ", ".join(sorted(known)) or "none"
                raise ValueError(f"The bin spec has no feature {name!r}; it has {listed}.")
            if np.shape(values) != (size,):
                raise ValueError(f"{name} has the shape {np.shape(values)}; expected ({size},).")
        counted: dict[Path, npt.NDArray[Any]] = {
            ("features", name): count(features[name])
            for name, count in self._bins.features.items()
            if name in features
        }
        if features and self._bins.projected:
            counted["projections",] = self._bins.project(features)
        return counted

    def _whole(self, probabilities: npt.ArrayLike, name: str) -> Values:
        array = np.asarray(probabilities, dtype=np.float64)
        classes = len(self._bins.labels)
        if array.ndim == 1 and classes == _BINARY:
            array = np.column_stack((1 - array, array))
        if array.ndim != 2 or array.shape[1] != classes:  # noqa: PLR2004 - examples by classes
            raise ValueError(f"{name} has the shape {array.shape}; expected (n, {classes}).")
        if not ((array >= 0) & (array <= 1)).all():  # also False for NaN
            raise ValueError(f"{name} must lie between 0 and 1, without NaN.")
        return array

    def _classes(self, labels: npt.ArrayLike, size: int) -> Counts:
        array = np.asarray(labels)
        classes = len(self._bins.labels)
        codes = array.astype(np.int64)
        if array.shape != (size,) or (codes != array).any():
            raise ValueError(f"labels must be {size} whole numbers, one for each prediction.")
        if size and not (codes.min() >= 0 and codes.max() < classes):
            raise ValueError(f"labels must lie between 0 and {classes - 1}, the bin spec's labels.")
        return codes


def _sums(losses: Values) -> dict[str, npt.NDArray[Any]]:
    totals = (losses.sum(), np.square(losses).sum())
    return {name: np.asarray(total) for name, total in zip(SUMS, totals, strict=True)}


def _table(rows: npt.NDArray[Any], columns: npt.NDArray[Any], *, size: int) -> Counts:
    """The counts of two answers to the same examples, shape (size, size)."""
    cells: Counts = np.bincount(size * rows.astype(np.int64) + columns, minlength=size * size)
    return cells.reshape(size, size)
