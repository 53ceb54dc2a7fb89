"""Push one round of a federated training to Vigie.

Needs VIGIE_URL, VIGIE_API_KEY, VIGIE_FEDERATION and, in 64 hex digits, VIGIE_PSEUDONYM_KEY.
"""

import os

from vigie_client import Pseudonyms, RoundReporter

# What the clients answered this round: examples, sum of losses and of their squares, correct ones.
ANSWERS = {"hospital-1": (900, 410.2, 288.1, 742), "hospital-2": (1210, 560.9, 402.7, 985)}


def main() -> None:
    """Push the round and wait for its receipt."""
    pseudonym = Pseudonyms(bytes.fromhex(os.environ["VIGIE_PSEUDONYM_KEY"]))
    clients = [
        {
            "client": pseudonym(identity),
            "num_examples": examples,
            "metrics": {"loss_sum": loss, "loss_sumsq": squares, "correct_count": correct},
        }
        for identity, (examples, loss, squares, correct) in ANSWERS.items()
    ]
    url, key = os.environ["VIGIE_URL"], os.environ["VIGIE_API_KEY"]
    with RoundReporter(url, key, os.environ["VIGIE_FEDERATION"], "vigie-spool") as reporter:
        reporter.report(
            "run-1",
            1,
            "evaluate",
            clients,
            model="stroke",
            version="1",
            global_step=1,
            seconds=300.0,
        )
        print("delivered" if reporter.flush(timeout=10) else "spooled; sent at the next start")


if __name__ == "__main__":
    main()
