"""Fetching an OAuth token: a refusal stops the connection, it parks no record."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from connectors.auth import Token
from connectors.http import Http
from kernel.clock import SECOND
from kernel.errors import Park, Stop


def renewed(path: str, form: Mapping[str, str], *, lasts: int = 3600, **options: Any) -> Token:
    """A new access token from a token endpoint; `options` make its Http. `lasts`: seconds, where the answer is silent."""
    with closing(Http(**options)) as bare:
        body = fetch_token(bare, path, form)
        return Token(body["access_token"], bare.clock.now() + int(body.get("expires_in") or lasts) * SECOND)


def fetch_token(http: Http, path: str, form: Mapping[str, str]) -> dict[str, Any]:
    """POST the form to a token endpoint and return its answer. Raises Stop(cause='unauthorized') when refused."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = http.send("POST", path, content=urlencode(form), headers=headers)
    except Park as error:
        told = f"{http.connection}: the vendor gives no token for this; run: throughline check {http.connection}"
        raise Stop(told, cause="unauthorized", status=error.status, request_id=error.request_id) from None
    body = answer.json()
    if not isinstance(body, dict) or not body.get("access_token"):
        raise answer.unreadable("the token endpoint answered without a token")
    return body
