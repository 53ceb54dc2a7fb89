"""What values are called and coloured, on every dashboard alike."""

from dashboards import palette

OUTCOMES = {
    0: ("insufficient evidence", palette.GREY),
    1: ("stable", palette.SKY),
    2: ("warning", palette.ORANGE),
    3: ("drift", palette.VERMILION),
}
SUBJECTS = {
    "^log_loss": palette.BLUE,
    "^error_rate": palette.VERMILION,
    "^label": palette.ORANGE,
    "^score": palette.SKY,
    "^prediction": palette.PURPLE,
    "^feature": palette.GREEN,
}
SEVERITIES = {
    "critical": palette.VERMILION,
    "warning": palette.ORANGE,
    "info": palette.SKY,
}
# Effect over threshold: below 1 it does not matter in practice, from 2 on it is critical.
RATIOS = [
    (None, palette.CLEAR),
    (0.5, palette.YELLOW),
    (1.0, palette.ORANGE),
    (2.0, palette.VERMILION),
]
QUIET = [(None, palette.SKY)]
ANY_IS_BAD = [(None, palette.SKY), (1, palette.VERMILION)]
RUNBOOKS = "https://github.com/vigie-monitoring/vigie/blob/main/docs/runbooks"
