"""Celery: the application, its schedule, and tasks that each call one service function."""
