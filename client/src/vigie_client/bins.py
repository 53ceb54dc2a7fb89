"""The bins that a federation counts on, ready to count."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vigie_client.bin_cache import BinCache

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Counter = Callable[[npt.ArrayLike], Counts]


class Bins:
    """A bin spec, as ``VigieApi.get_bin_spec`` returns it.

    Numeric bins are [edge, next edge); values outside count in the first or last. A categorical
    feature has one count a category, and a last one for anything else.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Raise ``ValueError`` for a document that is no bin spec."""
        try:
            self.labels = tuple(str(label) for label in spec["labels"])
            self.score = _numeric(spec["score"]["edges"], "the score")
            self.features = {name: _counter(name, bins) for name, bins in spec["features"].items()}
            self._directions = _directions(spec.get("projections"))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"This is no bin spec ({error!r}). Take the one that VigieApi.get_bin_spec returns."
            ) from error

    @classmethod
    def fetch(cls, api: "GivesBinSpecs", bin_spec: str, cache: str | Path | None = None) -> "Bins":
        """Return the bins with this id, from disk if they were fetched before.

        An id is a hash of the spec's content, so what lies on disk never gets old. ``cache`` is the
        folder; left out, the user's cache folder. Raises what ``VigieApi.get_bin_spec`` raises, and
        ``ValueError`` for an id that is none.
        """
        kept = BinCache(cache)
        spec = kept.get(bin_spec)
        if spec is None:
            spec = api.get_bin_spec(bin_spec)
            kept.put(bin_spec, spec)
        return cls(spec)

    @classmethod
    async def fetch_async(
        cls, api: "GivesBinSpecsAsync", bin_spec: str, cache: str | Path | None = None
    ) -> "Bins":
        """Return the same by an ``AsyncVigieApi``."""
        kept = BinCache(cache)
        spec = kept.get(bin_spec)
        if spec is None:
            spec = await api.get_bin_spec(bin_spec)
            kept.put(bin_spec, spec)
        return cls(spec)

    @property
    def projected(self) -> tuple[str, ...]:
        """The features that clients are to project; none where the spec has no projections."""
        return self._directions.names if self._directions else ()

    def project(self, columns: Mapping[str, npt.ArrayLike]) -> Counts:
        """Count the projections of n examples: shape (directions, bins).

        ``columns`` has n values for each feature that the spec projects; ``ValueError`` names one
        that is missing. Features are standardised by the spec's center and scale first.
        """
        if self._directions is None:
            raise ValueError("The bin spec has no projections.")
        return self._directions.count(columns)


class GivesBinSpecs(Protocol):
    """Where bin specs come from: a ``VigieApi``, or what stands in for one."""

    def get_bin_spec(self, bin_spec: str) -> dict[str, Any]:
        """Return the bin spec with this id."""


class GivesBinSpecsAsync(Protocol):
    """The same for asyncio: an ``AsyncVigieApi``."""

    async def get_bin_spec(self, bin_spec: str) -> dict[str, Any]:
        """Return the bin spec with this id."""


class _Directions:
    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.names = tuple(spec["features"])
        self._center = np.asarray(spec["center"], dtype=np.float64)
        self._scale = np.asarray(spec["scale"], dtype=np.float64)
        self._count = _numeric(spec["edges"], "projections")
        self._rows = directions(len(self.names), int(spec["bases"]), int(spec["seed"]))

    def count(self, columns: Mapping[str, npt.ArrayLike]) -> Counts:
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise ValueError(f"The bin spec projects {', '.join(missing)}; give its values, too.")
        values = np.column_stack([_finite(columns[name], name) for name in self.names])
        projected = ((values - self._center) / self._scale) @ self._rows.T
        return np.array([self._count(column) for column in projected.T])


def directions(dim: int, bases: int, seed: int) -> Values:
    """Return the service's seeded orthonormal directions: ``bases`` bases of R^dim, as rows.

    QR of a seeded Gaussian matrix, with the signs that make it uniform (Mezzadri 2007, Notices of
    the AMS 54, 592-604).

    >>> directions(dim=3, bases=2, seed=7).shape
    (6, 3)
    """
    rng = np.random.default_rng(seed)
    return np.concatenate([_orthonormal(rng.standard_normal((dim, dim))) for _ in range(bases)])


def _orthonormal(gaussian: Values) -> Values:
    q, r = np.linalg.qr(gaussian)
    return np.asarray((q * np.sign(np.diag(r))).T, dtype=np.float64)


def _directions(spec: Mapping[str, Any] | None) -> _Directions | None:
    return None if spec is None else _Directions(spec)


def _counter(name: str, bins: Mapping[str, Any]) -> Counter:
    if bins["kind"] == "categorical":
        return _categorical(tuple(bins["categories"]))
    return _numeric(bins["edges"], name)


def _numeric(edges: npt.ArrayLike, name: str) -> Counter:
    bounds = np.asarray(edges, dtype=np.float64)

    def count(values: npt.ArrayLike) -> Counts:
        place = np.searchsorted(bounds, _finite(values, name), side="right") - 1
        return np.bincount(np.clip(place, 0, bounds.size - 2), minlength=bounds.size - 1)

    return count


def _categorical(categories: tuple[str, ...]) -> Counter:
    codes = {category: code for code, category in enumerate(categories)}

    def count(values: npt.ArrayLike) -> Counts:
        names, counts = np.unique(np.asarray(values).astype(str), return_counts=True)
        places = [codes.get(str(name), len(codes)) for name in names]
        total = np.zeros(len(codes) + 1, dtype=np.int64)
        np.add.at(total, places, counts)
        return total

    return count


def _finite(values: npt.ArrayLike, name: str) -> Values:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(
            f"The values of {name} must be one finite number an example; got the shape "
            f"{array.shape} with {np.count_nonzero(~np.isfinite(array))} that are NaN or infinite. "
            "Leave examples with missing values out, or give the feature a category for them."
        )
    return array
