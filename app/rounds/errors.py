"""What a push or a bin spec can be refused for."""

from app.core.errors import DomainError, ErrorKind, FieldError


class MalformedBodyError(DomainError):
    """The body is not one JSON object."""

    code = "malformed_body"
    kind = ErrorKind.MALFORMED


class InvalidRoundError(DomainError):
    """Nothing of the push could be accepted; `errors` name the fields."""

    code = "invalid_round"

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(
            f"Nothing was stored: {len(errors)} thing(s) are wrong, named in `errors`. Mend them"
            " and push the round again.",
            errors,
        )


class ConflictingPushError(DomainError):
    """Another body was pushed for the same round, phase, attempt and chunk."""

    code = "conflicting_push"
    kind = ErrorKind.CONFLICT

    def __init__(self, attempt: int, chunk: int) -> None:
        super().__init__(
            f"Another body was accepted as chunk {chunk} of attempt {attempt} of this round and"
            " phase. To correct it, push the whole round with a higher `attempt`."
        )


class ConflictingEnvelopeError(DomainError):
    """A chunk says something else of the round than the chunks before it."""

    code = "conflicting_envelope"
    kind = ErrorKind.CONFLICT

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(
            f"The round's other chunks tell {', '.join(fields)} otherwise. Every chunk of a round"
            " carries the same envelope; to correct it, push the round with a higher `attempt`."
        )


class ConflictingCloseError(DomainError):
    """The round was closed with another number of chunks."""

    code = "conflicting_close"
    kind = ErrorKind.CONFLICT

    def __init__(self, chunks: int) -> None:
        super().__init__(
            f"The round was closed with {chunks} chunk(s). What comes later, such as labels, is"
            " pushed as a further chunk and needs no close."
        )


class StaleAttemptError(DomainError):
    """A higher attempt of the round was accepted before."""

    code = "stale_attempt"
    kind = ErrorKind.CONFLICT

    def __init__(self, attempt: int, newest: int) -> None:
        super().__init__(
            f"Attempt {newest} of this round was accepted already; {attempt} comes too late."
        )


class InvalidBinSpecError(DomainError):
    """Edges or categories that nobody can count on."""

    code = "invalid_bin_spec"
