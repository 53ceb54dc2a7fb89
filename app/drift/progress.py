"""Progress: where a round stands on its way from the first chunk to its verdicts."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlmodel import Session

from app.drift import parts_repository, repository
from app.rounds import service as rounds
from app.rounds.tables import Round

Stage = Literal["receiving", "waiting", "evaluating", "evaluated", "partial", "superseded"]
LAST_STAGES: frozenset[Stage] = frozenset({"evaluated", "partial", "superseded"})
UNJUDGED = "evaluated: nothing to judge it against (no reference of its version, or phase `fit`)"


@dataclass(frozen=True)
class Progress:
    """How far a round has come; `chunks` is None while nobody has said how many there are."""

    round_id: UUID
    stage: Stage
    chunks_here: int
    chunks: int | None
    shards_done: int = 0
    shards: int = 0  # 0: not judged, or not yet
    errors: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The stage in words, such as `evaluating 7/16`."""
        if self.stage == "receiving":
            return f"receiving {self.chunks_here}/{'?' if self.chunks is None else self.chunks}"
        if self.stage == "evaluating":
            return f"evaluating {self.shards_done}/{self.shards}"
        if self.stage == "partial":
            return f"partial: {len(self.errors)} of {self.shards} shard(s) of clients left out"
        if self.stage == "evaluated" and not self.shards:
            return UNJUDGED
        return self.stage

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the round by itself."""
        return self.stage in LAST_STAGES


def progress_of(session: Session, federation_id: UUID, round_id: UUID) -> Progress:
    """Where a federation's round stands now.

    Raises:
        NotFoundError: if the federation has no such round.
    """
    round_ = rounds.get(session, federation_id, round_id)
    here, told = rounds.chunks_of(session, round_)
    evaluation = repository.evaluation_of(session, round_id)
    if evaluation is None:
        return Progress(round_id, _stage(round_, None), here, told)
    parts = parts_repository.shard_states(session, evaluation.id)
    return Progress(
        round_id,
        _stage(round_, evaluation.state),
        here,
        told,
        shards_done=sum(state != "waiting" for state, _ in parts),
        shards=evaluation.shards,
        errors=tuple(error for _, error in parts if error is not None),
    )


def _stage(round_: Round, evaluation: str | None) -> Stage:
    if round_.state in {"receiving", "superseded"}:
        return "receiving" if round_.state == "receiving" else "superseded"
    if evaluation == "evaluating":
        return "evaluating"
    if round_.state == "received":  # anew, perhaps: a late chunk came
        return "waiting"
    return "partial" if evaluation == "partial" else "evaluated"
