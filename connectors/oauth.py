"""OAuth tokens: fetching one, and refresh tokens that change with use, kept durably and renewed by one worker at a time.

A vendor that rotates refresh tokens answers a refresh with the next one. So what it answered is kept before it is used,
by all workers together, and the former token is kept beside it until the new one has worked: where the answer to a
refresh is lost, the one before is sent again, which such vendors allow until its successor was used.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from pydantic import SecretStr

from connectors.auth import Token
from connectors.http import Http
from kernel.clock import SECOND, Clock
from kernel.errors import Park, Retry, Stop
from kernel.records import Json

MARGIN = 60 * SECOND
"""A token is renewed this long before its end."""

_PAUSE, _TURNS = 0.2, 300


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


class TokenStore(Protocol):
    """Where a connection's tokens outlive the process: `kernel.credentials` keeps them sealed, for all workers."""

    def read(self) -> tuple[int, Json | None]:
        """What is kept, and its version; (0, None) before the first."""

    def hold(self) -> AbstractContextManager[None]:
        """Be the only worker that renews; raises Retry(cause='lease_held') while another is."""

    def write(self, seen: int, told: Json) -> bool:
        """Keep it durably where version `seen` still stands; False where another worker's newer one does."""


class OneProcess:
    """A store that ends with the process: for a connector that is opened without the engine."""

    def __init__(self) -> None:
        self._version, self._told = 0, dict[str, Any]()

    def read(self) -> tuple[int, Json | None]:
        """What is kept."""
        return self._version, dict(self._told) or None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """The process's own lock is held by the caller already."""
        yield

    def write(self, seen: int, told: Json) -> bool:
        """Keep it."""
        self._version, self._told = seen + 1, dict(told)
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """What a refresh gave. `seed` marks the configured token it descends from: a new one there starts anew."""

    seed: str
    access: str
    expires_at: int
    refresh: str
    former: str = ""  # the refresh token before, until this one has worked


class RotatingAuth:
    """A bearer token renewed with a refresh token that may rotate: by one thread of one worker, for all of them.

    `renew` sends a refresh token to the vendor and returns the answer of its token endpoint.
    """

    def __init__(
        self, seed: SecretStr, renew: Callable[[str], Json], *, tokens: TokenStore | None, clock: Clock
    ) -> None:
        """`seed`: the refresh token a person configured."""
        self._seed, self._renew, self._clock = seed, renew, clock
        self._tokens: TokenStore = tokens or OneProcess()
        self._mark = hashlib.sha256(b"seed " + seed.get_secret_value().encode()).hexdigest()[:32]
        self._lock = threading.Lock()
        self._grant: Grant | None = None

    def apply(self, headers: MutableMapping[str, str]) -> None:
        """Add the current token, renewing it when there is none or it is about to end."""
        with self._lock:
            if not self._good(self._grant, ""):
                self._renewed("")
            assert self._grant is not None
            headers["Authorization"] = f"Bearer {self._grant.access}"

    def refresh(self, used: str) -> bool:
        """Renew the token unless another thread or worker already did since `used` was sent."""
        with self._lock:
            if not self._good(self._grant, used):
                self._renewed(used)
        return True

    def _renewed(self, used: str) -> None:
        for _ in range(_TURNS):
            if self._taken_over(used):
                return
            try:
                with self._tokens.hold():
                    if not self._taken_over(used):
                        self._ask()
                return
            except Retry as error:
                if error.cause != "lease_held":
                    raise
            self._clock.sleep(_PAUSE)  # its holder is asking: what it gets is ours, too
        raise Retry("another worker has been renewing the token for too long", cause="locked")

    def _taken_over(self, used: str) -> bool:
        """Whether a good token is kept already, by whichever worker."""
        kept = self._kept()[1]
        if not self._good(kept, used):
            return False
        self._grant = kept
        return True

    def _ask(self) -> None:
        version, kept = self._kept()
        known = [kept.refresh, kept.former] if kept else []
        known += [self._grant.refresh] if self._grant else []
        candidates = list(dict.fromkeys(token for token in (*known, self._seed.get_secret_value()) if token))
        for left, sent in zip(range(len(candidates) - 1, -1, -1), candidates, strict=True):
            try:
                told = self._renew(sent)
            except Stop as error:
                if error.cause != "unauthorized" or not left:
                    raise
                continue
            ends = self._clock.now() + int(told.get("expires_in") or 3600) * SECOND
            following = str(told.get("refresh_token") or sent)
            former = sent if following != sent else (kept.former if kept else "")
            self._grant = Grant(self._mark, str(told["access_token"]), ends, following, former)
            if not self._tokens.write(version, asdict(self._grant)):
                self._grant = self._kept()[1]
            return

    def _kept(self) -> tuple[int, Grant | None]:
        version, told = self._tokens.read()
        return version, Grant(**told) if told and told.get("seed") == self._mark else None

    def _good(self, grant: Grant | None, used: str) -> bool:
        if grant is None or grant.expires_at - MARGIN <= self._clock.now():
            return False
        return f"Bearer {grant.access}" != used
