"""Retrain when a webhook says so, without polling.

Needs VIGIE_URL, VIGIE_API_KEY, VIGIE_FEDERATION and VIGIE_WEBHOOK_SECRET. Behind a proxy that
speaks HTTPS: Vigie calls nothing else.
"""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from vigie_client import (
    Progress,
    RetrainRequest,
    RetrainWorker,
    TrainedVersion,
    WebhookRefused,
    WebhookVerifier,
)
from vigie_client.webhooks import RETRAINING_REQUESTED

LARGEST = 1_000_000
verifier = WebhookVerifier(os.environ["VIGIE_WEBHOOK_SECRET"])
asked = threading.Event()


class Receiver(BaseHTTPRequestHandler):
    """Takes Vigie's messages, and nobody else's."""

    def do_POST(self) -> None:
        """Note that there is work, and answer at once: the training takes hours."""
        length = min(int(self.headers.get("Content-Length", 0)), LARGEST)
        try:
            message = verifier.verify(dict(self.headers), self.rfile.read(length))
        except WebhookRefused as refused:
            self.send_error(400, str(refused))
            return
        if message.type == RETRAINING_REQUESTED:
            asked.set()
        self.send_response(204)
        self.end_headers()


def train(request: RetrainRequest, progress: Progress, /) -> TrainedVersion:
    """Stand-in for yours: as many rounds as asked, from the version to start from."""
    for number in range(1, request.rounds + 1):
        progress(number, request.rounds)
    return TrainedVersion(f"from-{request.warm_start}", "0" * 64, rounds=request.rounds)


def main() -> None:
    """Listen, and claim whenever there is something to claim."""
    server = HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, key, federation = (
        os.environ[f"VIGIE_{name}"] for name in ("URL", "API_KEY", "FEDERATION")
    )
    with RetrainWorker(url, key, federation, "late-arrival", train) as worker:
        while True:
            worker.run_once()
            asked.wait(timeout=3600)  # a message may be lost; look now and then all the same
            asked.clear()


if __name__ == "__main__":
    main()
