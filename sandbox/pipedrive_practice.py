"""Practising with a Pipedrive account: what a person does there, and what a good write looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sandbox.practice import Practice, Written
from sandbox.state import Json


class PipedrivePractice(Practice):
    """Records, written one by one. Say more of them as you learn it; `sandbox/practice.py` lists what can be said."""

    system = "pipedrive"
    main = "records"
    keyed = "external_id"
    writing = ("PUT", r"/v1/records$")
    reading = ("GET", r"/v1/records$")
    secret = ""
    scopes = False
    edit: ClassVar[Mapping[str, str]] = {"records": "first_name"}
    written: ClassVar[Mapping[str, Written]] = {
        "records": Written(
            {"email": "made{n}@example.com", "first_name": "Ada", "last_name": "Lovelace"},
            change={"first_name": "Grace"},
            clear="first_name",
            alone=True,
        )
    }

    def fresh(self, resource: str, n: int) -> Json:
        """A record with an address."""
        return {"email": f"person{n}@example.com", "first_name": "Ada"}
