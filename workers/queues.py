"""Which queue a task waits in: whoever judges rounds is not to wait for who draws up reports.

A worker serves the queues in their order: nothing of the second while there is something in the
first. It may be told to serve some of them only, so that each kind of work scales by itself. The
bell has a queue of its own, to be seen whether it was heard.
"""

from collections.abc import Collection

BELL, EVALUATION, REPORTS = "bell", "evaluation", "reports"
IN_ORDER = (BELL, EVALUATION, REPORTS)
OF_WORK = (EVALUATION, REPORTS)
# What takes seconds, and nobody is paged for. Everything else is evaluation's.
PATIENT = ("reports.build", "incidents.backtest_proposal", "incidents.try_policy")
# What waits in a lane for another service to answer, and may do so for long.
ELSEWHERE = (
    "incidents.deliver_notice",
    "registry.mirror_version",
    "registry.apply_promotion",
    "registry.apply_rollback",
    "registry.log_rounds",
    "registry.log_card",
    "registry.check_weights",
    "reports.log",
)
# Each has its own room at the broker, so that none of it keeps rounds from being judged.
APART = (PATIENT, ELSEWHERE)
ROUTES = {task: {"queue": REPORTS, "routing_key": REPORTS} for task in PATIENT}


def served(chosen: Collection[str]) -> list[str]:
    """What a worker takes from that serves these, in order: who evaluates hears the bell too.

    >>> served(["reports", "evaluation"]), served(["reports"])
    (['bell', 'evaluation', 'reports'], ['reports'])
    """
    hears = {BELL} if EVALUATION in chosen else set()
    return [name for name in IN_ORDER if name in {*chosen, *hears}]
