"""Push a round and carry out a retrain request by HTTP alone, as any language can.

Needs VIGIE_URL, VIGIE_API_KEY, VIGIE_FEDERATION and, in hex, VIGIE_PSEUDONYM_KEY.
"""

import hashlib
import hmac
import os
from datetime import datetime, timezone

import httpx

KEY = bytes.fromhex(os.environ["VIGIE_PSEUDONYM_KEY"])  # the federation's; never sent
vigie = httpx.Client(
    base_url=f"{os.environ['VIGIE_URL']}/v1/federations/{os.environ['VIGIE_FEDERATION']}",
    headers={"Authorization": f"Bearer {os.environ['VIGIE_API_KEY']}"},
)


def post(path: str, body: dict[str, object]) -> httpx.Response:
    """POST JSON; after a lost answer or a 5xx, the same body may be sent again, harmlessly."""
    return vigie.post(path, json=body).raise_for_status()


now = datetime.now(timezone.utc).isoformat()
pseudonym = "c_" + hmac.new(KEY, b"hospital-1", hashlib.sha256).hexdigest()[:32]
sums = {"loss_sum": 410.2, "loss_sumsq": 288.1, "correct_count": 742}
record = {"client": pseudonym, "num_examples": 900, "metrics": sums}
body = {"schema_version": 1, "global_step": 1, "model": {"name": "stroke", "version": "1"}}
body |= {"started_at": now, "ended_at": now, "clients": [record]}
print(post("runs/run-1/rounds/1/evaluate", body).json()["receipt_id"])

me: dict[str, object] = {"claimer": "fl-1"}
claim = post("retrain-requests/claim", me | {"model": "stroke", "lease_seconds": 600})
if claim.content:  # 204, without content: nobody asks for retraining
    asked = claim.json()  # train asked["plan"]["rounds"] rounds from asked["base_version"] here
    made = {"run": "run-2", "rounds": 1, "weights_sha256": hashlib.sha256(b"weights").hexdigest()}
    done = post(f"retrain-requests/{asked['id']}/complete", me | made)
    print(done.json()["result_version"])
