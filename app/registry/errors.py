"""What a version or a promotion can be refused for."""

from collections.abc import Sequence

from app.core.errors import DomainError, ErrorKind, FieldError


class UnknownParentError(DomainError):
    """A version names a parent that its model does not have."""

    code = "unknown_parent"

    def __init__(self, parent: str) -> None:
        message = f"The model has no version {parent}; name one that it has, or none."
        super().__init__(message, (FieldError("parent_version", self.code, message),))


class NotACandidateError(DomainError):
    """The champion cannot ask to become champion."""

    code = "not_a_candidate"
    kind = ErrorKind.CONFLICT

    def __init__(self, version: str) -> None:
        super().__init__(f"Version {version} is the champion already; name another version.")


class OpenPromotionError(DomainError):
    """A model has one open promotion at a time."""

    code = "open_promotion"
    kind = ErrorKind.CONFLICT

    def __init__(self, promotion: object, state: str) -> None:
        super().__init__(
            f"Promotion {promotion} of this model is {state.replace('_', ' ')}; it has to be"
            " rejected, applied or rolled back first."
        )


class ChampionChangedError(DomainError):
    """The champion is another version than the one that the promotion is about."""

    code = "champion_changed"
    kind = ErrorKind.CONFLICT

    def __init__(self, expected: str, champion: str | None) -> None:
        super().__init__(
            f"This promotion stands on version {expected} being champion, and version {champion}"
            " is. Reject it, and draft one against the champion of today."
        )


class NotAsRegisteredError(DomainError):
    """The candidate is not, or no longer, what was registered."""

    code = "not_as_registered"
    kind = ErrorKind.CONFLICT

    def __init__(self, version: str, faults: Sequence[str]) -> None:
        super().__init__(
            f"Version {version} is not as it was registered: {'; '.join(faults)}. Have MLflow"
            " repaired, or send the right weights, and do this again; or reject the promotion."
        )


class EvidenceChangedError(DomainError):
    """The evidence is no longer what was submitted."""

    code = "evidence_changed"
    kind = ErrorKind.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "The evidence does not have the SHA-256 that it had when it was submitted, so nobody"
            " can say what is being signed. Reject this promotion and draft another."
        )


class FourEyesError(DomainError):
    """Nobody decides on their own work."""

    code = "four_eyes"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, actor: str, what: str) -> None:
        super().__init__(f"{actor} {what}, so a second person has to decide on the promotion.")


class NotTheAuthorError(DomainError):
    """A draft is submitted by whoever wrote it: that name is the one that may not decide."""

    code = "not_the_author"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, author: str) -> None:
        super().__init__(f"{author} drafted this promotion and has to submit it.")


class UnansweredError(DomainError):
    """A question of the criticality matrix has no answer, or none of its own."""

    code = "unanswered"

    def __init__(self, wrong: dict[str, str]) -> None:
        faults = tuple(FieldError(f"answers.{q}", self.code, told) for q, told in wrong.items())
        super().__init__(
            "Every question needs one of its answers: see `GET .../inventory/questions`.", faults
        )


class OwnValidatorError(DomainError):
    """A model's validator is also its owner or developer."""

    code = "own_validator"

    def __init__(self, validator: str) -> None:
        message = f"{validator} owns or develops the model; name another person as its validator."
        super().__init__(message, (FieldError("validator", self.code, message),))


class NotDescribedError(DomainError):
    """A model is reviewed of which nobody said what it is for."""

    code = "not_described"
    kind = ErrorKind.CONFLICT

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The inventory says nothing of {model} yet; its owner describes it first."
        )


class UnknownCohortError(DomainError):
    """A cohort that the federation's clients cannot be in."""

    code = "unknown_cohort"

    def __init__(self, cohort: str) -> None:
        message = (
            f"No cohort {cohort}: name one as tag=value, both on the federation's allow-list of"
            " cohort tags."
        )
        super().__init__(message, (FieldError("cohort", self.code, message),))


class ManyTagsError(DomainError):
    """Cohorts of two tags overlap, so a client would have two champions."""

    code = "many_tags"
    kind = ErrorKind.CONFLICT

    def __init__(self, tag: str, used: str) -> None:
        super().__init__(
            f"Cohorts of this model are told apart by {used}, and a client may be in one of {tag}"
            f" as well. Merge the cohorts of {used} first."
        )


class SeenEvidenceError(DomainError):
    """The approver saw other evidence than what was submitted."""

    code = "evidence_not_seen"
    kind = ErrorKind.CONFLICT

    def __init__(self, frozen: str | None) -> None:
        message = (
            f"The evidence of this promotion has the SHA-256 {frozen}, which is not the one in"
            " `evidence_sha256`. Read the promotion again, and approve what you have read."
        )
        super().__init__(message, (FieldError("evidence_sha256", self.code, message),))


class PromotionExpiredError(DomainError):
    """The promotion waited for longer than the policy allows."""

    code = "promotion_expired"
    kind = ErrorKind.CONFLICT

    def __init__(self, expired_at: object) -> None:
        super().__init__(
            f"This promotion expired at {expired_at}: its evidence is too old to decide on. Draft"
            " another."
        )


class AlreadyApprovedError(DomainError):
    """One person, one approval."""

    code = "already_approved"
    kind = ErrorKind.CONFLICT

    def __init__(self, actor: str) -> None:
        super().__init__(f"{actor} approved this promotion already; somebody else has to as well.")


class NoVoteError(DomainError):
    """The policy does not ask for the approval of this role."""

    code = "no_vote"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, role: str, missing: str) -> None:
        super().__init__(f"An approval by {role} is not asked for any more; missing: {missing}.")


class NoVersionError(DomainError):
    """A model without a version serves nobody."""

    code = "no_version"
    kind = ErrorKind.CONFLICT

    def __init__(self, model: str) -> None:
        super().__init__(f"Model {model} has no version yet; register one.")


class NoShadowError(DomainError):
    """The champion came by no promotion, so there is none before it to measure."""

    code = "no_shadow"
    kind = ErrorKind.CONFLICT

    def __init__(self, model: str) -> None:
        super().__init__(f"No promotion made the champion of {model}: there is none before it.")


class WeightsMismatchError(DomainError):
    """Weights were sent that are not those that the version was registered with."""

    code = "weights_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "Neither the file's bytes nor the arrays in it have the SHA-256 that this version was"
            " registered with; nothing was kept. Send the weights of this very version."
        )


class WeightsTooLargeError(DomainError):
    """Weights are larger than may be sent."""

    code = "weights_too_large"
    kind = ErrorKind.TOO_LARGE

    def __init__(self, most: int) -> None:
        super().__init__(
            f"Weights are at most {most} MiB here; nothing was kept. Name their address in an"
            " object store instead, or raise VIGIE_MAX_WEIGHTS_MB on the service."
        )
