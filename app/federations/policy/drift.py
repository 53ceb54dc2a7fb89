"""How rounds are judged."""

from collections.abc import Mapping

from pydantic import Field, field_validator

from app.federations.policy import subjects
from app.federations.policy.effects import EffectPolicy
from app.federations.policy.part import MOST, MOST_ROUNDS, PolicyPart, Probability, refuse
from app.federations.policy.subjects import ResolvedSubject, SubjectPolicy

MOST_SUBJECTS = 1_000


class DriftPolicy(PolicyPart):
    """How rounds are judged."""

    false_discovery_rate: Probability = Field(
        default=0.05,
        description="Error budget: expected share of false drifts among those found in"
        " `budget_rounds` rounds.",
    )
    cohort_false_discovery_rate: Probability = Field(
        default=0.01,
        description="The same for cohorts: stricter, since there are many and each may open an"
        " incident of its own.",
    )
    budget_rounds: int = Field(
        default=1,
        ge=1,
        le=MOST_ROUNDS,
        description="Rounds in a row that an error budget has to last for; each has its part.",
    )
    latest_rounds: int = Field(
        default=3, ge=1, le=99, description="Newest rounds whose median is judged; an odd number."
    )
    min_examples: int = Field(
        default=30, ge=1, le=MOST, description="Fewer examples a round are insufficient evidence."
    )
    min_clients: int = Field(
        default=3,
        ge=1,
        le=MOST,
        description="Fewer clients are insufficient evidence at federation level.",
    )
    min_participation: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Smallest share of the reference's examples whose clients took part, for a"
        " federation-level verdict.",
    )
    effects: EffectPolicy = Field(default=EffectPolicy(), description="Smallest practical effects.")
    energy_effect: float = Field(
        default=0.25,
        gt=0,
        description="Smallest practical mean move of a distribution, in reference standard"
        " deviations (for the energy and Wasserstein distances).",
    )
    subjects: Mapping[str, SubjectPolicy] = Field(
        default_factory=dict,
        max_length=MOST_SUBJECTS,
        description="What holds for one subject or one kind alone, by name, such as"
        " `feature:hour: {effect: 0.2}`.",
    )

    @field_validator("latest_rounds")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("latest_rounds must be odd, so that there is a middle round")
        return value

    @field_validator("subjects")
    @classmethod
    def _known(cls, value: Mapping[str, SubjectPolicy]) -> Mapping[str, SubjectPolicy]:
        refuse(subjects.faults(value))
        return value

    def of_a_round(self, budget: float) -> float:
        """A round's part of an error budget.

        Any `budget_rounds` rounds keep it then: of V false discoveries among R in all, V_t / R is
        at most V_t / R_t of each round t, whose expectation is at most its part.
        """
        return budget / self.budget_rounds

    def subject(self, name: str) -> ResolvedSubject:
        """How the subject of this name is judged: exact name, then its kind, then as usual.

        Raises:
            UnknownSubjectError: if no subject can have this name.
        """
        return subjects.resolve(name, self.subjects, self.effects)
