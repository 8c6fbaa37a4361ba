"""Automations on the Prefect server: who is told when a run needs somebody.

One call sets up all of them, and a second one replaces them: they are known by their names. The
server itself calls the webhook or the notification block, also when no worker lives any more.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation, EventTrigger
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook, SendNotification
from prefect.events.schemas.automations import Posture
from prefect.exceptions import PrefectException
from pydantic import SecretStr

from flows.artifacts import BLOCKED
from flows.deploy import need_server
from pipeline.errors import CurationError

WEBHOOK = "thousand-notify"
_RUN: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
_CURATE: dict[str, str | list[str]] = {
    "prefect.resource.role": "flow",
    "prefect.resource.name": "curate",
}
_ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled")}
_STOPPED = _ENDED | {"prefect.flow-run.Suspended", "prefect.flow-run.Paused"}
_HEARTBEAT = "prefect.flow-run.heartbeat"

# What an automation is called, what sets it off, and what it says.
Trigger = Callable[[int], EventTrigger]


def _on(*events: str, **words: Any) -> Trigger:  # noqa: ANN401 - as EventTrigger takes them
    def make(silence: int) -> EventTrigger:
        return EventTrigger(
            expect=set(events), posture=Posture.Reactive, threshold=1, within=timedelta(0), **words
        )

    return make


def _silent(silence: int) -> EventTrigger:
    """After a heartbeat, neither another one nor an end within so many seconds."""
    return EventTrigger(
        match=_RUN,
        match_related=_CURATE,
        after={_HEARTBEAT},
        expect={_HEARTBEAT} | _STOPPED,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=silence),
    )


AUTOMATIONS: dict[str, tuple[Trigger, str]] = {
    "thousand: a run failed": (
        _on("prefect.flow-run.Failed", match=_RUN, match_related=_CURATE),
        "A run failed.",
    ),
    "thousand: a run crashed": (
        _on("prefect.flow-run.Crashed", match=_RUN, match_related=_CURATE),
        "A run crashed: its process ended without a word of its own.",
    ),
    "thousand: a gate blocks a release": (
        _on(BLOCKED, match={"prefect.resource.id": "thousand.release.*"}),
        "A gate of the recipe blocks a release.",
    ),
    "thousand: a run waits for approval": (
        _on("prefect.flow-run.Suspended", match=_RUN, match_related=_CURATE),
        "A release waits for its approval.",
    ),
    "thousand: a run is silent": (_silent, "A run stopped without word."),
}
_PAYLOAD = (
    '{"automation": "%s", "text": "%s", "event": {{ event.event | tojson }}, '
    '"id": {{ event.resource.id | tojson }}, "detail": {{ event.payload | tojson }}}'
)
_BODY = "%s\n\nEvent {{ event.event }} of {{ event.resource.id }}.\n{{ event.payload }}"


def set_up(webhook: str | None, block: str | None, silence: int) -> list[str]:
    """Set up all automations; returns their names.

    `webhook` is an address that is called with JSON, `block` a notification block of the server as
    TYPE/NAME, such as sendgrid-email/team. `silence` is in seconds.
    """
    need_server()
    action = _webhook(webhook) if webhook else _block(block or "")
    for name, (trigger, text) in AUTOMATIONS.items():
        _remove(name)
        Automation(
            name=name,
            description=f"{text} Set up by `thousand automations`.",
            trigger=trigger(silence),
            actions=[action(name, text)],
        ).create()
    return list(AUTOMATIONS)


def remove() -> list[str]:
    """Remove all automations; returns their names."""
    need_server()
    return [name for name in AUTOMATIONS if _remove(name)]


Action = Callable[[str, str], CallWebhook | SendNotification]


def _webhook(url: str) -> Action:
    saved = Webhook(method="POST", url=SecretStr(url)).save(WEBHOOK, overwrite=True)
    assert isinstance(saved, UUID)
    return lambda name, text: CallWebhook(block_document_id=saved, payload=_PAYLOAD % (name, text))


def _block(slug: str) -> Action:
    try:
        found = Block.load(slug)
    except (ValueError, PrefectException) as error:
        raise CurationError(
            f"The server has no block {slug!r}: make one in its UI (Blocks), and name it as "
            "TYPE/NAME, such as sendgrid-email/team."
        ) from error
    number = getattr(found, "_block_document_id", None)
    assert isinstance(number, UUID)
    return lambda name, text: SendNotification(
        block_document_id=number, subject=name, body=_BODY % text
    )


def _remove(name: str) -> bool:
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(name)
        for automation in found:
            client.delete_automation(automation.id)
    return bool(found)
