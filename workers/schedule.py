"""What beat asks for, and how often. Beat knows these names alone, and no database."""

from typing import Any

from app.core.settings import Settings

(
    SWEEP,
    RELEASE_LEASES,
    REPEAT_ALERTS,
    CLOSE_ROUNDS,
    FORGET_RECORDS,
    SEND_OVERDUE,
    CATCH_UP,
    RECONCILE,
    REMIND_OF_REVIEWS,
    ASK_BY_CALENDAR,
    REFRESH_CARDS,
    MAKE_REPORTS,
    FORGET_REPORTS,
    FORGET_WORK,
) = (
    "periodic.sweep",
    "periodic.release_leases",
    "periodic.repeat_alerts",
    "periodic.close_rounds",
    "periodic.forget_records",
    "periodic.send_overdue",
    "periodic.catch_up",
    "periodic.reconcile",
    "periodic.remind_of_reviews",
    "periodic.ask_by_calendar",
    "periodic.refresh_cards",
    "periodic.make_reports",
    "periodic.forget_reports",
    "periodic.forget_work",
)
LEASE_CHECK_SECONDS, ALERT_REPEAT_SECONDS = 10.0, 60.0
ROUND_CHECK_SECONDS, RETENTION_SECONDS = 10.0, 3600.0
OVERDUE_SECONDS, CATCH_UP_SECONDS, CALENDAR_SECONDS = 2.0, 30.0, 60.0
REVIEW_SECONDS, CARD_SECONDS, REPORT_SECONDS = 600.0, 3600.0, 60.0
RECONCILE_SECONDS = 20.0  # what was changed in MLflow is to be noticed within a minute


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The periodic tasks; one that waits longer than its period is dropped, the next is due."""
    return {
        name: {"task": name, "schedule": seconds, "options": {"expires": 2 * seconds + 1}}
        for name, seconds in (
            (SWEEP, settings.sweep_seconds),
            (RELEASE_LEASES, LEASE_CHECK_SECONDS),
            (REPEAT_ALERTS, ALERT_REPEAT_SECONDS),
            (CLOSE_ROUNDS, ROUND_CHECK_SECONDS),
            (FORGET_RECORDS, RETENTION_SECONDS),
            (SEND_OVERDUE, OVERDUE_SECONDS),
            (CATCH_UP, CATCH_UP_SECONDS),
            (RECONCILE, RECONCILE_SECONDS),
            (REMIND_OF_REVIEWS, REVIEW_SECONDS),
            (ASK_BY_CALENDAR, CALENDAR_SECONDS),
            (REFRESH_CARDS, CARD_SECONDS),
            (MAKE_REPORTS, REPORT_SECONDS),
            (FORGET_REPORTS, RETENTION_SECONDS),
            (FORGET_WORK, RETENTION_SECONDS),
        )
    }
