"""Which queue a task waits in: whoever judges rounds is not to wait for who draws up reports.

A worker serves the queues in their order: nothing of the second while there is something in the
first. It may be told to serve some of them only, so that each kind of work scales by itself.
"""

EVALUATION, REPORTS = "evaluation", "reports"
IN_ORDER = (EVALUATION, REPORTS)
# What takes seconds, and nobody is paged for. Everything else is evaluation's.
PATIENT = ("reports.build", "incidents.backtest_proposal", "incidents.try_policy")
ROUTES = {task: {"queue": REPORTS, "routing_key": REPORTS} for task in PATIENT}
