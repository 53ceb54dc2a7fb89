"""The Celery application: messages carry the id of an outbox row and nothing else.

Nothing relies on the broker to keep a message: the database does (see `app.core.outbox`).
"""

from logging import WARNING, getLogger

from celery import Celery
from celery.signals import setup_logging, worker_init
from kombu import Queue

from app.core import logging, tracing
from app.core.settings import Settings
from app.core.settings import settings as read_settings
from workers.queues import BELL, EVALUATION, IN_ORDER, ROUTES
from workers.schedule import SWEEP, beat_schedule

# A publish to a stopped Redis would otherwise block for most of a minute.
SOCKET_SECONDS = 2
POLLING_SECONDS = 0.02
FILE_BROKER = "workers.file_broker:Transport"
# A line for every sweep would bury all others.
CHATTY = ("celery.beat", "celery.app.trace", "celery.worker.strategy")


def create_celery(settings: Settings) -> Celery:
    """Celery on the configured broker, with no result backend: results live in the database."""
    celery = Celery("vigie", broker=settings.broker, include=["workers.tasks"])
    celery.conf.update(
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # Without an event loop (files), acknowledgements wait until polling times out after 2 s;
        # a limit on messages in hand would make every other message wait for that.
        worker_prefetch_multiplier=0 if _has_file_broker(settings) else 1,
        worker_concurrency=settings.worker_concurrency,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_transport=FILE_BROKER if _has_file_broker(settings) else None,
        broker_transport_options=_transport_options(settings),
        task_publish_retry_policy={"max_retries": 1},
        task_queues=[Queue(name, routing_key=name) for name in IN_ORDER],
        task_default_queue=EVALUATION,
        task_default_routing_key=EVALUATION,
        task_routes=ROUTES,
        beat_schedule=beat_schedule(settings),
        beat_schedule_filename=str(settings.data_dir.absolute() / "beat-schedule"),
        beat_max_loop_interval=min(5.0, settings.sweep_seconds),
        enable_utc=True,
        timezone="UTC",
    )
    return celery


def _transport_options(settings: Settings) -> dict[str, object]:
    if not _has_file_broker(settings):
        return {
            "socket_timeout": SOCKET_SECONDS,
            "socket_connect_timeout": SOCKET_SECONDS,
            "queue_order_strategy": "priority",  # the first queue that has a message is served
        }
    messages = settings.broker_dir / "messages"
    messages.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "polling_interval": POLLING_SECONDS,
    }


def _has_file_broker(settings: Settings) -> bool:
    return settings.broker.startswith("filesystem:")


@setup_logging.connect
def _configure_logging(**_signal: object) -> None:
    logging.configure(read_settings())
    for name in CHATTY:
        getLogger(name).setLevel(WARNING)


@worker_init.connect
def _trace(**_signal: object) -> None:
    tracing.configure(read_settings(), "vigie-worker")


app = create_celery(read_settings())


def ask_for_sweep(celery: Celery = app) -> None:
    """Have a worker look for what is due, now; nothing if one is asked to that has not heard yet.

    So the bell's queue holds one message for each process that rings, however long no worker takes
    them. A worker takes a message before it looks: what is asked for after that rings again.
    """
    with celery.producer_or_acquire() as producer:
        if not producer.channel.queue_declare(BELL).message_count:
            celery.send_task(SWEEP, queue=BELL, producer=producer)
