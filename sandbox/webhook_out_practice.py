"""Practising with a receiver of outgoing webhooks: it is only written to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sandbox.practice import SECRET, Practice, Written
from sandbox.state import Json


class WebhookOutPractice(Practice):
    """One receiving address."""

    system = "webhook_out"
    main = "contacts"
    credential = "webhook_secret"
    address = "url"
    secret = ""
    keyed = "id"
    answers = False
    writing = ("POST", ".*")
    written: ClassVar[Mapping[str, Written]] = {
        "contacts": Written({"email": "p{n}@example.com", "first_name": "Ann"}, {"first_name": "Eve"}, alone=True),
        "accounts": Written({"name": "Company {n}"}, {"name": "Other"}, alone=True),
    }

    def settings(self) -> Json:
        """The address and the secret both sides know."""
        self.sim.token = SECRET
        return super().settings()
