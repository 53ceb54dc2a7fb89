"""Webhooks: signed as receivers expect, sealed, rotated with overlap, tried again, disabled."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.core import clock
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.federations.roles import Role
from app.incidents import attempts, delivery, notices, webhooks
from app.incidents.attempts import SENT, Outcome, next_attempt
from app.incidents.carriers import ToWebhook, Unsendable
from app.incidents.delivery_schemas import WebhookIn
from app.incidents.errors import (
    InvalidWebhookError,
    TooManyWebhooksError,
    WebhookDisabledError,
    WebhookNameTakenError,
)
from app.incidents.notices import DELIVER
from app.incidents.sealing import UnreadableSecretError, seal, unseal
from app.incidents.signing import new_secret, signed_headers
from app.incidents.states import WebhookEvent
from app.incidents.tables import Notice, Webhook
from app.retraining import service as retraining
from tests.rounds import pseudonym
from tests.unit.incidents.stories import AT, Story, verdict

HOME = "/v1/federations/flights/webhooks"
URL = "https://example.org/hooks/vigie"
BODY: dict[str, Any] = {"name": "fl", "url": URL, "events": ["incident.opened"]}

KeyOf = Callable[..., dict[str, str]]


def add(
    story: Story, settings: Settings, *events: WebhookEvent, name: str = "fl", url: str = URL
) -> webhooks.Made:
    body = WebhookIn(name=name, url=url, events=list(events or WebhookEvent))
    return webhooks.add(story.session, story.federation, body, "Ada", settings)


def only_notice(story: Story, channel: str = "webhook:fl") -> Notice:
    story.spread()
    return story.session.exec(select(Notice).where(Notice.channel == channel)).one()


def carrier(story: Story, settings: Settings) -> ToWebhook:
    found = delivery.prepare(story.session, only_notice(story).id, settings)
    assert isinstance(found, ToWebhook)
    return found


def asked(story: Story, notice: Notice) -> int:
    query = select(OutboxRow).where(OutboxRow.task == DELIVER, OutboxRow.subject == notice.id)
    return len(story.session.exec(query).all())


def test_a_signature_is_what_the_specification_says() -> None:
    # Made with the reference library, standardwebhooks 1.1 for Python.
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_has_256_bits_and_is_never_the_same() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


def test_a_sealed_secret_opens_for_its_owner_and_key_alone() -> None:
    sealed = seal(b"k" * 32, "whsec_hush", "one")
    assert b"hush" not in sealed
    assert sealed != seal(b"k" * 32, "whsec_hush", "one")
    assert unseal(b"k" * 32, sealed, "one") == "whsec_hush"
    wrong = [(b"o" * 32, sealed, "one"), (b"k" * 32, sealed, "two"), (b"k" * 32, b"", "one")]
    for key, text, owner in [*wrong, (b"k" * 32, sealed[:-1], "one")]:
        with pytest.raises(UnreadableSecretError):
            unseal(key, text, owner)


def test_no_secret_lies_open_in_the_database(story: Story, settings: Settings) -> None:
    made = add(story, settings)
    row = story.session.exec(select(Webhook)).one()
    assert made.secret not in repr(row)
    assert base64.b64decode(made.secret.removeprefix("whsec_")) not in row.secret


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://example.org/", "begins with https"),
        ("ftp://example.org/", "begins with https"),
        ("example.org/hook", "begins with https"),
        ("https://", "names a host"),
        ("https:///hook", "names a host"),
        ("https://ada:hush@example.org/", "no user"),
        ("https://example.org/#part", "no fragment"),
        ("https://example.org:70000/", "well-formed"),
        ("https://[::1/", "well-formed"),
        ("https://ex ample.org/", "ASCII"),
        ("https://exämple.org/", "ASCII"),
        ("https://example.org/\nHost: x", "ASCII"),
        ("https://127.0.0.1/", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
        ("https://169.254.169.254/latest", "public internet"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused_by_its_fault(
    story: Story, settings: Settings, url: str, rule: str
) -> None:
    with pytest.raises(InvalidWebhookError, match=rule) as refused:
        add(story, settings, url=url)
    assert "hush" not in str(refused.value)


def test_a_private_address_is_taken_where_the_installation_allows_it(
    story: Story, settings: Settings
) -> None:
    allowed = settings.model_copy(update={"webhook_private_addresses": True})
    assert add(story, allowed, url="http://127.0.0.1:8080/hook").webhook.name == "fl"


def test_a_name_is_taken_once(story: Story, settings: Settings) -> None:
    add(story, settings)
    with pytest.raises(WebhookNameTakenError, match="fl"):
        add(story, settings)


def test_a_federation_has_so_many_and_no_more(story: Story, settings: Settings) -> None:
    for number in range(webhooks.MOST_WEBHOOKS):
        add(story, settings, name=f"fl-{number}")
    with pytest.raises(TooManyWebhooksError, match="at most 20"):
        add(story, settings)


def test_what_cannot_be_made_ready_is_given_up(story: Story, settings: Settings) -> None:
    add(story, settings, WebhookEvent.OPENED)
    story.push(1, verdict())
    notice = only_notice(story)
    delivery.give_up(story.session, notice.id, "KeyError: a bug")
    assert (notice.state, notice.last_error) == ("failed", "KeyError: a bug")


def test_a_webhook_gets_what_it_asked_for(story: Story, settings: Settings) -> None:
    add(story, settings, WebhookEvent.OPENED)
    add(story, settings, WebhookEvent.RESOLVED, name="other")
    story.push(1, verdict())
    assert story.notices() == [("opened", "log", "pending"), ("opened", "webhook:fl", "pending")]


def test_the_event_tells_all_and_names_no_client(story: Story, settings: Settings) -> None:
    story.policy(incidents={"scopes": ["client"]})
    add(story, settings)
    with clock.using(lambda: AT):
        story.push(23, verdict("client", pseudonym(1)))
    told = json.loads(carrier(story, settings).body)
    incident = story.only_incident()
    assert (told["type"], told["timestamp"]) == ("incident.opened", AT.isoformat())
    assert told["data"]["incident"]["id"] == str(incident.id)
    assert told["data"]["points"].keys() >= {"what", "where", "since", "how_sure", "next"}
    assert told["data"]["links"].keys() == {"incident", "report", "runbook"}
    assert pseudonym(1) not in json.dumps(told)


def test_a_request_for_retraining_is_told_with_its_plan(story: Story, settings: Settings) -> None:
    add(story, settings, WebhookEvent.RETRAINING_REQUESTED)
    story.policy(retraining={"automatic": True, "severities": ["warning", "critical"]})
    story.push(1, verdict())
    (request,) = retraining.list_of(story.session, story.federation.id)
    notices.announce_request(story.session, request.id)
    told = json.loads(carrier(story, settings).body)
    assert told["type"] == "retraining.requested"
    assert told["data"]["request"]["id"] == str(request.id)
    assert told["data"]["request"]["plan"] == request.plan


def test_after_a_rotation_both_secrets_sign_for_a_while(story: Story, settings: Settings) -> None:
    with clock.using(lambda: AT):
        former = add(story, settings).secret
        made = webhooks.rotate(story.session, story.federation, "fl", 24, "Ada", settings)
    key, webhook = settings.secret_key, made.webhook
    assert webhooks.secrets_in_force(webhook, key, AT) == (made.secret, former)
    almost, over = AT + timedelta(hours=23, minutes=59), AT + timedelta(hours=24)
    assert webhooks.secrets_in_force(webhook, key, almost) == (made.secret, former)
    assert webhooks.secrets_in_force(webhook, key, over) == (made.secret,)


def test_both_signatures_verify_and_no_other() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", AT, b"{}")
    signatures = headers["webhook-signature"].split(" ")
    signed = f"msg_1.{int(AT.timestamp())}.{{}}".encode()
    for secret, signature in zip([new, old], signatures, strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        assert signature == f"v1,{base64.b64encode(digest).decode()}"


def test_eight_attempts_take_about_28_hours() -> None:
    at, made = AT, [AT]
    while (due := next_attempt(len(made), at)) is not None:
        made.append(due)
        at = due
    assert len(made) == 8
    hours = (made[-1] - made[0]).total_seconds() / 3600
    assert 0.9 * 27.6 <= hours <= 1.1 * 27.6


def test_a_receiver_that_asks_for_longer_gets_it() -> None:
    asked_for = next_attempt(1, AT, 3600.0)
    assert asked_for == AT + timedelta(hours=1)
    assert next_attempt(7, AT, 1.0) >= AT + timedelta(hours=8)  # type: ignore[operator]
    assert next_attempt(attempts.MOST_ATTEMPTS, AT, 3600.0) is None


def test_a_failure_is_tried_again_when_it_is_due(story: Story, settings: Settings) -> None:
    add(story, settings, WebhookEvent.OPENED)
    story.push(1, verdict())
    notice = only_notice(story)
    with clock.using(lambda: AT):
        delivery.record(story.session, notice.id, Outcome(error="no", retry_after=600))
    assert (notice.state, notice.attempts, notice.last_error) == ("pending", 1, "no")
    assert notice.next_attempt_at == AT + timedelta(seconds=600)
    assert delivery.prepare(story.session, notice.id, settings) is None
    with clock.using(lambda: AT + timedelta(seconds=599)):
        assert delivery.send_overdue(story.session) == 0
    with clock.using(lambda: AT + timedelta(seconds=600)):
        assert delivery.send_overdue(story.session) == 1
        assert delivery.send_overdue(story.session) == 0
    assert asked(story, notice) == 2
    delivery.record(story.session, notice.id, SENT)
    assert (notice.state, notice.attempts, notice.last_error) == ("sent", 2, None)


def test_after_the_last_attempt_it_is_given_up(story: Story, settings: Settings) -> None:
    add(story, settings, WebhookEvent.OPENED)
    story.push(1, verdict())
    notice = only_notice(story)
    for _ in range(attempts.MOST_ATTEMPTS):
        delivery.record(story.session, notice.id, Outcome(error="no"))
    assert (notice.state, notice.next_attempt_at) == ("failed", None)


def test_410_disables_it_and_what_is_on_its_way_is_dropped(
    story: Story, settings: Settings
) -> None:
    made = add(story, settings)
    story.push(1, verdict())
    notice = only_notice(story)
    delivery.record(story.session, notice.id, Outcome(error="410", gone=True))
    assert (notice.state, notice.next_attempt_at) == ("failed", None)
    assert made.webhook.disabled_at is not None
    assert "410" in (made.webhook.disabled_why or "")
    story.push(2, verdict(effect=0.3))
    assert ("escalated", "webhook:fl", "pending") not in story.notices()
    with pytest.raises(WebhookDisabledError):
        webhooks.test(story.session, story.federation, "fl", "Ada")
    webhooks.enable(story.session, story.federation, "fl", "Ada")
    assert made.webhook.disabled_at is None


def test_what_a_disabled_webhook_was_to_get_is_dropped(story: Story, settings: Settings) -> None:
    add(story, settings)
    story.push(1, verdict())
    notice = only_notice(story)
    webhooks.disable(story.session, story.federation, "fl", "Ada", "it moves")
    needless = delivery.prepare(story.session, notice.id, settings)
    assert needless is not None
    delivery.record(story.session, notice.id, delivery.perform(needless, settings))
    assert (notice.state, notice.attempts) == ("dropped", 0)


def test_a_secret_that_cannot_be_read_is_an_attempt_that_failed(
    story: Story, settings: Settings
) -> None:
    add(story, settings, WebhookEvent.OPENED)
    story.push(1, verdict())
    other = Settings(data_dir=settings.data_dir, secret="o" * 32)
    found = delivery.prepare(story.session, only_notice(story).id, other)
    assert isinstance(found, Unsendable)
    assert "Rotate" in (delivery.perform(found, other).error or "")


def test_a_message_shows_neither_address_nor_secret(story: Story, settings: Settings) -> None:
    made = add(story, settings, WebhookEvent.OPENED, url=f"{URL}?token=hush")
    story.push(1, verdict())
    shown = repr(carrier(story, settings))
    assert "hush" not in shown
    assert made.secret not in shown


def test_over_http_a_secret_is_shown_once(api: TestClient, key_of: KeyOf) -> None:
    owner = key_of(Role.OWNER)
    made = api.post(HOME, json=BODY, headers=owner)
    assert made.status_code == 201
    secret = made.json()["secret"]
    rotated = api.post(f"{HOME}/fl/rotate", json={"overlap_hours": 1}, headers=owner).json()
    assert rotated["secret"] not in {secret, None}
    assert rotated["previous_until"] is not None
    listed = api.get(HOME, headers=owner)
    assert "secret" not in listed.json()[0]
    assert secret not in listed.text
    disabled = api.post(f"{HOME}/fl/disable", json={"why": "it moves"}, headers=owner).json()
    assert disabled["disabled_why"] == "it moves"
    assert api.post(f"{HOME}/fl/test", headers=owner).status_code == 409
    assert api.post(f"{HOME}/fl/enable", headers=owner).json()["disabled_at"] is None
    assert api.post(f"{HOME}/fl/test", headers=owner).status_code == 202
    assert api.get(f"{HOME}/fl/deliveries", headers=owner).json() == []
    assert api.delete(f"{HOME}/fl", headers=owner).status_code == 204
    assert api.get(f"{HOME}/fl/deliveries", headers=owner).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "https://10.0.0.1/"}, "invalid_webhook"),
        ({"url": "nonsense"}, "invalid_webhook"),
        ({"events": []}, "invalid_request"),
        ({"events": ["incident.eaten"]}, "invalid_request"),
        ({"name": "a b"}, "invalid_request"),
        ({"secret": "mine"}, "invalid_request"),
    ],
)
def test_a_bad_webhook_is_refused_by_name(
    api: TestClient, key_of: KeyOf, change: dict[str, Any], code: str
) -> None:
    answer = api.post(HOME, json=BODY | change, headers=key_of(Role.OWNER))
    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:vigie:problem:{code}"


def test_every_change_is_audited_without_the_path(api: TestClient, key_of: KeyOf) -> None:
    owner = key_of(Role.OWNER, holder="Ada")
    api.post(HOME, json=BODY, headers=owner)
    api.post(f"{HOME}/fl/rotate", json={}, headers=owner)
    entries = api.get("/v1/federations/flights/audit", headers=key_of(Role.AUDITOR)).json()
    about = [entry for entry in entries if entry["entity"] == "webhook:fl"]
    assert [entry["action"] for entry in about] == ["webhook.rotate", "webhook.add"]
    assert about[0]["actor"] == "Ada"
    assert "hooks/vigie" not in json.dumps(about)
