"""The vendors' SDKs over our one HTTP layer, so that retries, limits, verdicts and host pinning are the same for all.

What the SDK sees is a good answer; everything else was already raised as a fated error, which passes through the SDKs
unharmed. `accept` lists statuses the SDK itself should see. Stripe's adapter is in `connectors.stripe`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.http import Answer, Http

READING = frozenset({"GET", "HEAD", "OPTIONS"})
IsWrite = Callable[[str, str], bool]
"""(method, URL) → whether the request may change something."""

# Hop-by-hop and credential headers an SDK sets; ours are the ones that count.
_OURS = frozenset({"authorization", "host", "content-length", "connection", "accept-encoding", "transfer-encoding"})


def by_method(method: str, url: str) -> bool:
    """Everything but GET, HEAD and OPTIONS writes; a connector with POST searches passes its own rule."""
    return method.upper() not in READING


class Bridge:
    """What every adapter does: send through `http`, remember this thread's last answer."""

    def __init__(
        self, http: Http, *, is_write: IsWrite = by_method, accept: Collection[int] = (), raw: bool = False
    ) -> None:
        """`raw`: answers to reads need not be JSON."""
        self.http, self._is_write, self._accept, self._raw = http, is_write, accept, raw
        self._local = threading.local()

    def call(self, method: str, url: str, headers: Mapping[str, Any] | None, content: bytes | str | None) -> Answer:
        """One request of an SDK. An absolute URL keeps its path and query; its host must be the connection's."""
        sent = {name: _text(value) for name, value in (headers or {}).items() if name.lower() not in _OURS and value}
        write = self._is_write(method, url)
        answer = self.http.send(
            method,
            self._local_url(url),
            content=content,
            headers=sent,
            write=write,
            trace_id=self.trace_id,
            accept=self._accept,
            raw=self._raw,
        )
        self._local.answer = answer
        return answer

    @property
    def answer(self) -> Answer:
        """This thread's last answer, with the bytes the SDK was given."""
        answer: Answer = self._local.answer
        return answer

    @property
    def trace_id(self) -> str:
        """The trace id of this thread's next calls; it stands in their errors."""
        return str(getattr(self._local, "trace_id", ""))

    @trace_id.setter
    def trace_id(self, value: str) -> None:
        self._local.trace_id = value

    def _local_url(self, url: str) -> str:
        """simple-salesforce always writes https: on a loopback base the base's own scheme holds."""
        base = self.http.base_url
        if base is None or base.scheme != "http" or not url.startswith("https:"):
            return url
        target = httpx.URL(url)
        return str(target.copy_with(scheme="http")) if (target.host, target.port) == (base.host, base.port) else url


class RequestsAdapter(BaseAdapter):
    """For a `requests.Session` (simple-salesforce): `session.mount("https://", RequestsAdapter(http))`."""

    def __init__(self, http: Http, *, is_write: IsWrite = by_method, accept: Collection[int] = ()) -> None:
        super().__init__()
        self.bridge = Bridge(http, is_write=is_write, accept=accept)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one prepared request through the connection's Http."""
        method, url = request.method or "GET", request.url or ""
        answer = self.bridge.call(method, url, request.headers, request.body)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers.items())
        response._content = answer.content  # requests offers no other way to fill a Response
        response.encoding = "utf-8"
        response.url, response.request = url, request
        return response

    def close(self) -> None:
        """The Http belongs to the connector."""


class RestResponse:
    """The answer as hubspot-api-client's generated code reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status, self.reason, self.data = answer.status, "", answer.content
        self._headers = answer.headers

    def getheaders(self) -> Mapping[str, str]:
        """All headers."""
        return self._headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One header."""
        return str(self._headers[name]) if name in self._headers else default


class RestClient:
    """In place of hubspot-api-client's `api_client.rest_client` (urllib3): same calls, our HTTP layer."""

    def __init__(self, http: Http, *, is_write: IsWrite = by_method, accept: Collection[int] = ()) -> None:
        self.bridge = Bridge(http, is_write=is_write, accept=accept)

    def request(
        self,
        method: str,
        url: str,
        query_params: Any = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _preload_content: bool = True,
        _request_timeout: Any = None,
    ) -> RestResponse:
        """One request of the generated code. `body` is already plain JSON data; timeouts are the connection's own."""
        if query_params:
            url += ("&" if "?" in url else "?") + urlencode(query_params)
        sent = dict(headers or {})
        content: bytes | None = None
        if body is not None:
            content = body if isinstance(body, bytes) else _json(body)
            sent.setdefault("Content-Type", "application/json")
        elif post_params:
            content = urlencode(post_params).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        return RestResponse(self.bridge.call(method, url, sent, content))

    def __getattr__(self, name: str) -> Callable[..., RestResponse]:
        """GET, POST, PATCH … as the generated code names them."""
        if name not in {"GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"}:
            raise AttributeError(name)

        def verb(url: str, **options: Any) -> RestResponse:
            return self.request(name, url, **options)

        return verb


def _json(body: Any) -> bytes:
    return orjson.dumps(body)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
