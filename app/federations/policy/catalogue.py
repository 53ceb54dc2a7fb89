"""The detectors that a policy can name, and what each takes.

Parameters are those of `detectors/` itself, which also says what their values may be. Of sequential
detectors only those are here that read standardised values, which is what they are given; DDM,
EDDM and HDDM read right and wrong answers one by one, which no federation sends.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from inspect import signature
from types import MappingProxyType

from app.federations.policy.kinds import Shape
from app.federations.policy.part import Fault, Parameter

Parameters = Mapping[str, Parameter]
RATE = frozenset({Shape.RATE})
ORDERED = frozenset({Shape.ORDERED})
ANY_BINS = frozenset({Shape.ORDERED, Shape.CATEGORIES})
MOST = 1_000  # rounds, in parameters that count some
POWER, USUAL_POWER = "power", 0.8


@dataclass(frozen=True)
class Detector:
    """A detector that a policy can name.

    `test` is the name in `detectors` of a two-sample test; None for a sequential detector, which
    `detectors.create` makes. `takes_variation` tells tests with rounds as their unit from those
    that know examples alone. `defaults` are what it is given here where a policy says nothing.
    """

    judges: frozenset[Shape]
    test: str | None = None
    takes_variation: bool = True
    defaults: Parameters = field(default_factory=dict)

    @property
    def sequential(self) -> bool:
        """Whether it watches a stream of rounds, and has no p-value."""
        return self.test is None


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {
        "median-shift": Detector(RATE, "median_shift", takes_variation=False),
        # A test at every round, and half a standard deviation as what may move.
        "adwin": Detector(RATE, defaults={"clock": 1, "grace_period": 5}),
        "page-hinkley": Detector(
            RATE, defaults={"min_instances": 8, "delta": 0.5, "threshold": 5.0}
        ),
        "cusum": Detector(RATE),
        "sprt": Detector(RATE),
        "kswin": Detector(RATE),
        "mean-eprocess": Detector(RATE),
        "ks": Detector(ORDERED, "ks_histogram"),
        "energy": Detector(ANY_BINS, "energy_histogram"),
        "cramer-von-mises": Detector(ORDERED, "cvm_histogram"),
        "anderson-darling": Detector(ORDERED, "anderson_darling_histogram"),
        "wasserstein": Detector(ORDERED, "wasserstein_histogram"),
        "mann-whitney": Detector(ORDERED, "mann_whitney_histogram"),
        "chi-square": Detector(ANY_BINS, "chi_square", takes_variation=False),
    }
)
# Judged by these where a policy names none; each tests the shapes that it can.
USUAL = ("median-shift", "adwin", "page-hinkley", "ks", "energy")


def usual(shapes: frozenset[Shape]) -> dict[str, Parameters]:
    """The detectors, with parameters, of a subject that can have these shapes."""
    return completed({name: {} for name in USUAL if DETECTORS[name].judges & shapes})


def completed(named: Mapping[str, Parameters]) -> dict[str, Parameters]:
    """The detectors that a policy names, with what it leaves out."""
    return {name: {**DETECTORS[name].defaults, **given} for name, given in named.items()}


def faults(named: Mapping[str, Parameters], shapes: frozenset[Shape]) -> Iterator[Fault]:
    """What is wrong with the detectors that a policy names for a subject of these shapes."""
    known = [name for name, detector in DETECTORS.items() if detector.judges & shapes]
    for name, given in named.items():
        if name not in known:
            told = f"No detector of this name judges this subject. Known: {', '.join(known)}."
            yield Fault((name,), "unknown_detector", told)
        else:
            yield from _parameter_faults(name, given)


def parameters(name: str) -> dict[str, type]:
    """The numbers that a detector takes, by name: `int` or `float`."""
    if not DETECTORS[name].sequential:
        return {POWER: float}
    from detectors.catalogue import KNOWN  # noqa: PLC0415 - imports river, for few policies

    given = signature(KNOWN[name]).parameters.values()
    return {one.name: one.annotation for one in given if one.annotation in {int, float}}


def _parameter_faults(name: str, given: Parameters) -> Iterable[Fault]:
    """Each parameter by itself; where none is wrong so, all of them together."""
    known = parameters(name)
    wrong = [fault for one in given if (fault := _fault(name, one, given[one], known))]
    return wrong or _range_faults(name, tuple(given.items()))


def _fault(name: str, parameter: str, value: Parameter, known: Mapping[str, type]) -> Fault | None:
    path = (name, parameter)
    if parameter not in known:
        told = f"No parameter of this detector. Known: {', '.join(known)}."
        return Fault(path, "unknown_parameter", told)
    if known[parameter] is int and not (isinstance(value, int) and abs(value) <= MOST):
        return Fault(path, "parameter_out_of_range", f"Expected a whole number up to {MOST}.")
    return None


@lru_cache(maxsize=1024)
def _range_faults(name: str, given: tuple[tuple[str, Parameter], ...]) -> tuple[Fault, ...]:
    """What the detector itself refuses; remembered, since policies are read at every round."""
    from detectors.errors import BadParameterError  # noqa: PLC0415 - as above

    try:
        _make(name, {**DETECTORS[name].defaults, **dict(given)})
    except BadParameterError as error:
        told = f"Expected {error.expected}."
        return (Fault((name, error.name), "parameter_out_of_range", told),)
    return ()


def _make(name: str, given: Parameters) -> None:
    if DETECTORS[name].sequential:
        from detectors.catalogue import create  # noqa: PLC0415 - as above

        create(name, **given)
    else:
        from detectors.arrays import fraction  # noqa: PLC0415 - as above

        fraction(given.get(POWER, USUAL_POWER), POWER)
