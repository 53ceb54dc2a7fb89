"""How critical a model is: questions, answers, and the class that follows by a matrix.

Materiality is what rests on the model; risk is how likely it is to be wrong unnoticed. Each
question has three answers, worth 0, 1 and 2 points; a score is the share of the points that can
be had, in per cent. Pure: answers in, assessment out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Criticality(StrEnum):
    """The class of a model, the least critical first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least critical."""
        return list(Criticality).index(self)


class Axis(StrEnum):
    """What a question is about."""

    MATERIALITY = "materiality"
    RISK = "risk"


@dataclass(frozen=True)
class Question:
    """A question with its answers, by name, from no points to two."""

    name: str
    axis: Axis
    text: str
    answers: dict[str, str]


M, R = Axis.MATERIALITY, Axis.RISK
QUESTIONS = (
    Question(
        "reach",
        M,
        "How many people or cases does it bear on in a year?",
        {"few": "Under 1,000.", "many": "Under 100,000.", "very_many": "More."},
    ),
    Question(
        "harm",
        M,
        "What can a wrong answer do to a person?",
        {
            "nuisance": "Cost time or patience.",
            "loss": "Cost money, a service or a chance.",
            "grave": "Touch health, liberty or livelihood.",
        },
    ),
    Question(
        "stake",
        M,
        "What can a month of wrong answers cost those who use it?",
        {"small": "Hardly anything.", "felt": "It is felt in a year's result.", "severe": "More."},
    ),
    Question(
        "autonomy",
        M,
        "Who decides on its answers?",
        {
            "advice": "A person, who has other sources.",
            "followed": "A person, who mostly follows it.",
            "automatic": "Nobody: they take effect by themselves.",
        },
    ),
    Question(
        "obligations",
        M,
        "Who asks for an account of it?",
        {
            "nobody": "Nobody.",
            "internal": "Internal rules or contracts.",
            "law": "A law or regulator.",
        },
    ),
    Question(
        "complexity",
        R,
        "What kind of model is it?",
        {
            "simple": "Linear, or rules.",
            "ensemble": "Trees or an ensemble.",
            "deep": "A deep network.",
        },
    ),
    Question(
        "explanation",
        R,
        "How well can an answer be explained?",
        {"each": "Each one.", "overall": "Only in general.", "not": "Not at all."},
    ),
    Question(
        "data",
        R,
        "How well is the clients' data known?",
        {
            "controlled": "Documented and checked at every client.",
            "partly": "Documented at most clients.",
            "unknown": "It differs, and nobody knows how.",
        },
    ),
    Question(
        "participants",
        R,
        "Who may take part in the federation?",
        {
            "bound": "Known parties, bound by contract.",
            "known": "Known parties.",
            "open": "Anybody, or many that come and go.",
        },
    ),
    Question(
        "change",
        R,
        "How fast does its world change?",
        {"years": "Over years.", "months": "Over months.", "weeks": "Over weeks or days."},
    ),
    Question(
        "labels",
        R,
        "When is it known what the right answer was?",
        {"soon": "Within days.", "late": "Within months.", "never": "Later, seldom or never."},
    ),
)
MOST_POINTS = 2
LOW_BELOW, MEDIUM_BELOW = 34.0, 67.0  # per cent
# From low to high: rows are materiality, columns risk.
MATRIX = (
    (Criticality.LOW, Criticality.LOW, Criticality.MEDIUM),
    (Criticality.MEDIUM, Criticality.MEDIUM, Criticality.HIGH),
    (Criticality.HIGH, Criticality.HIGH, Criticality.CRITICAL),
)
REVIEW_EVERY = {
    Criticality.LOW: timedelta(days=730),
    Criticality.MEDIUM: timedelta(days=365),
    Criticality.HIGH: timedelta(days=182),
    Criticality.CRITICAL: timedelta(days=91),
}


@dataclass(frozen=True)
class Assessment:
    """Both scores, in per cent, and the class that they give."""

    materiality: float
    risk: float
    criticality: Criticality

    @property
    def review_every(self) -> timedelta:
        """How often a model of this class is reviewed."""
        return REVIEW_EVERY[self.criticality]


def faults(answers: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with answers, by question: missing, unknown, or none to choose from."""
    known = {question.name: question for question in QUESTIONS}
    missing = {name: "Answer this question, too." for name in known if name not in answers}
    unknown = {name: "There is no such question." for name in answers if name not in known}
    wrong = {
        name: f"Choose one of {', '.join(known[name].answers)}."
        for name, answer in answers.items()
        if name in known and answer not in known[name].answers
    }
    return missing | unknown | wrong


def assess(answers: Mapping[str, str]) -> Assessment:
    """The class of a model whose questions are all answered.

    What can do grave harm is highly material, whatever else it is.

    >>> least = {q.name: next(iter(q.answers)) for q in QUESTIONS}
    >>> assess(least).criticality, assess(least | {"harm": "grave"}).criticality
    (<Criticality.LOW: 'low'>, <Criticality.HIGH: 'high'>)
    """
    materiality, risk = _score(answers, Axis.MATERIALITY), _score(answers, Axis.RISK)
    row = len(MATRIX) - 1 if answers["harm"] == "grave" else _level(materiality)
    return Assessment(materiality, risk, MATRIX[row][_level(risk)])


def _score(answers: Mapping[str, str], axis: Axis) -> float:
    points = [
        list(question.answers).index(answers[question.name])
        for question in QUESTIONS
        if question.axis is axis
    ]
    return round(100 * sum(points) / (MOST_POINTS * len(points)), 1)


def _level(score: float) -> int:
    return (score >= LOW_BELOW) + (score >= MEDIUM_BELOW)
