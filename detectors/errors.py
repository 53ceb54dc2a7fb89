"""What a detector refuses, and why: each error carries the facts and makes its message of them."""


class DetectorError(ValueError):
    """The root: input that no detector can give an honest answer to."""


class EmptySampleError(DetectorError):
    """Nothing was observed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is empty: there is nothing to compare. Leave it out or wait.")
        self.name = name


class TooFewError(DetectorError):
    """Fewer observations than the method needs."""

    def __init__(self, name: str, have: int, need: int) -> None:
        super().__init__(f"{name} has {have}, and at least {need} are needed. Collect more.")
        self.name, self.have, self.need = name, have, need


class NoSpreadError(DetectorError):
    """A reference whose values are all the same, so that no change could be called unusual."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} holds equal values alone: it says nothing about usual variation.")
        self.name = name


class NotFiniteError(DetectorError):
    """A NaN or an infinity."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(
            f"{name} holds a value at position {position} that is NaN or infinite; "
            "every value must be finite. Remove or count missing values before."
        )
        self.name, self.position = name, position


LARGEST_COUNT = 2.0**53  # examples, beyond which one more changes nothing in float64


class OutOfRangeError(DetectorError):
    """A value so large that its square is not finite, or counts that float64 cannot add."""

    def __init__(self, name: str, position: int, largest: float) -> None:
        reason = (
            "no arithmetic on squares survives. Measure in a larger unit, or look for its cause"
        )
        if largest == LARGEST_COUNT:
            reason = (
                "one example more changes nothing. Divide all counts alike, or use fewer rounds"
            )
        super().__init__(
            f"{name} holds a value at position {position} beyond {largest:g} either way, where "
            f"{reason}."
        )
        self.name, self.position, self.largest = name, position, largest


class ShapeError(DetectorError):
    """An array of the wrong shape."""

    def __init__(self, name: str, shape: tuple[int, ...], expected: str) -> None:
        super().__init__(f"{name} has the shape {shape}; expected {expected}.")
        self.name, self.shape, self.expected = name, shape, expected


class BadWeightError(DetectorError):
    """Weights that are negative or add to nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} must be zero or more, and not all zero.")
        self.name = name


class EdgesDifferError(DetectorError):
    """Two histograms that were not counted on the same bins."""

    def __init__(self) -> None:
        super().__init__(
            "The histograms have different bins (edges or kind). "
            "Count both on the edges of one bin spec."
        )


class BadEdgesError(DetectorError):
    """Bin edges that do not increase."""

    def __init__(self, position: int) -> None:
        super().__init__(
            f"The bin edge at position {position} is not above the one before; "
            "edges must increase strictly."
        )
        self.position = position


class NegativeCountError(DetectorError):
    """A count below zero, where no noise was declared that could explain it."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(
            f"{name} holds a negative count at position {position}, and no noise was declared. "
            "Declare noise_sd if the counts were noised, or send counts of zero or more."
        )
        self.name, self.position = name, position


class NotOrderedError(DetectorError):
    """A test that needs ordered bins was given categories."""

    def __init__(self, detector: str) -> None:
        super().__init__(
            f"{detector} needs ordered bins, and categories have no order. "
            "Use energy_histogram, whose answer does not depend on their order."
        )
        self.detector = detector


class BadParameterError(DetectorError):
    """A parameter outside its range."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name} is {value!r}; expected {expected}.")
        self.name, self.value, self.expected = name, value, expected


class TooLargeError(DetectorError):
    """A computation that would take more memory than it may."""

    def __init__(self, name: str, needed_bytes: int, allowed_bytes: int) -> None:
        super().__init__(
            f"{name} would need {needed_bytes / 1e6:.0f} MB, and {allowed_bytes / 1e6:.0f} MB are "
            "allowed. Take a seeded subsample, or use histograms of projections."
        )
        self.name, self.needed_bytes, self.allowed_bytes = name, needed_bytes, allowed_bytes


class UnknownDetectorError(DetectorError):
    """A name that no detector has."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"No detector is called {name!r}. Known: {', '.join(known)}, "
            "or 'package.module:Class' for one with scikit-multiflow's API."
        )
        self.name, self.known = name, known


class PluginError(DetectorError):
    """A detector named by its dotted path that cannot be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The detector {name!r} cannot be used: {reason}.")
        self.name, self.reason = name, reason


class SnapshotError(DetectorError):
    """Bytes that are no snapshot of the block they were given to."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The snapshot cannot be restored: {reason}. Use one that this block's snapshot() made."
        )
        self.reason = reason


class NotBinaryError(DetectorError):
    """An error indicator that is neither 0 nor 1."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(
            f"{name} holds a value at position {position} that is neither 0 (right) nor 1 (wrong). "
            "Send one outcome a value; for a round's error rate use hddm-a, hddm-w or cusum."
        )
        self.name, self.position = name, position


class OutsideUnitError(DetectorError):
    """A value outside 0 to 1, for a bound that only holds there."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(
            f"{name} holds a value at position {position} outside 0 to 1, where Hoeffding's bound "
            "does not hold. Send error indicators or rates, or use cusum on standardised values."
        )
        self.name, self.position = name, position


class TooNoisyError(DetectorError):
    """Counts that declared noise drowns: not even how many examples there were can be told."""

    def __init__(self, name: str, total: float, noise_sd: float) -> None:
        super().__init__(
            f"{name} holds about {total:.3g} examples under noise of {noise_sd:.3g} on their "
            "number, so its shares say nothing. Merge more clients or rounds, or use fewer bins."
        )
        self.name, self.total, self.noise_sd = name, total, noise_sd


class NotASketchError(DetectorError):
    """Bytes that are no KLL sketch of doubles, or that contradict themselves."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The bytes are no KLL sketch of doubles: {reason}. "
            "Send what kll_doubles_sketch.serialize() of Apache DataSketches returns."
        )
        self.reason = reason
