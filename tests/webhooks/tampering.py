"""What forgers, proxies and clocks do to a genuine delivery. Each case says whether it must be believed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from connectors.proofs import Keyring
from connectors.signatures import VENDORS, admit
from kernel.clock import SECOND
from kernel.errors import Park
from kernel.records import WebhookRequest
from tests.webhooks.vectors import NOW, SAMPLES, Sample


@dataclass(frozen=True)
class Case:
    """One request at one moment."""

    name: str
    request: WebhookRequest
    keys: Keyring
    good: bool
    now: float = NOW


def cases(name: str) -> Iterator[Case]:
    """Every case of one vendor."""
    sample = SAMPLES[name]
    yield Case("genuine", sample.request(), sample.keys(sample.secret), good=True)
    yield from _secrets(sample)
    yield from _bodies(sample)
    yield from _headers(sample)
    yield from _covered(sample)
    yield from _times(sample)


def _secrets(sample: Sample) -> Iterator[Case]:
    ours, other = sample.secret, sample.other
    yield Case("another connection's secret", sample.request(other), sample.keys(ours), good=False)
    if VENDORS[sample.system].signs and not sample.keys(ours).public_keys:
        yield Case("the old secret while it rotates", sample.request(ours), Keyring((other, ours)), good=True)
        yield Case("the new secret while it rotates", sample.request(other), Keyring((other, ours)), good=True)
    elif not sample.keys(ours).public_keys:
        yield Case("either secret while it rotates", sample.request(ours), Keyring((other, ours)), good=True)
    yield Case("the old secret once it is gone", sample.request(ours), sample.keys(other), good=False)


def _bodies(sample: Sample) -> Iterator[Case]:
    request, keys = sample.request(), sample.keys(sample.secret)
    if "body" in sample.covers:
        for place, bit in itertools.product(_places(len(request.body)), (0, 1, 4)):
            flipped = bytearray(request.body)
            flipped[place] ^= 1 << bit
            yield Case(f"body bit {bit} at {place}", replace(request, body=bytes(flipped)), keys, good=False)
        for what, body in {"longer": request.body + b" ", "shorter": request.body[:-1], "none": b""}.items():
            yield Case(f"body {what}", replace(request, body=body), keys, good=False)
    elif not sample.header and "url" not in sample.covers:  # the secret is in the body
        secret = sample.secret.encode()
        for what, other in {"changed": b"x" + secret[1:], "none": b"", "longer": secret + b"x"}.items():
            yield Case(f"secret {what}", replace(request, body=request.body.replace(secret, other)), keys, good=False)
            once = replace(request, body=request.body.replace(secret, other, 1))
            yield Case(f"secret {what} in one entry", once, keys, good=False)


def _places(length: int) -> list[int]:
    """First, last, and some between; letters of a form's values are among them."""
    return sorted({0, length // 3, length // 2, length - 1})


def _headers(sample: Sample) -> Iterator[Case]:
    if not sample.header:
        return
    request, keys, name = sample.request(), sample.keys(sample.secret), sample.header
    value = request.headers[name]
    without = {key: held for key, held in request.headers.items() if key != name}
    yield Case("header missing", replace(request, headers=without), keys, good=False)
    swapped = value[:7] + value[7:].swapcase() if " " in value[:7] else value.swapcase()
    spoiled = {
        "empty": "", "twice": f"{value}\n{value}", "other case": swapped, "space before": f" {value}", "space after": f"{value} ",
        "space within": f"{value[:-2]} {value[-2:]}", "not ASCII": f"{value[:-1]}é", "not ASCII added": f"{value}ü",
        "lone surrogate": f"{value[:-1]}\ud800", "cut": value[:-1], "longer": f"{value}A", "another scheme": f"sha512={value}",
        "no base64": "!" * len(value), "nothing but a scheme": "sha256=", "a list of nothing": ",,,", "a zero byte": f"{value}\x00",
        "very long": value * 2000, "none": "None", "digits": "0" * 64, "equal signs": "=" * 64,
    }  # fmt: skip
    for what, other in spoiled.items():
        if other != value:
            yield Case(f"header {what}", replace(request, headers={**request.headers, name: other}), keys, good=False)
    for place in {len(value) // 2, len(value) - 2, len(value) - 12}:
        flipped = value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
        yield Case(
            f"header bit at {place}", replace(request, headers={**request.headers, name: flipped}), keys, good=False
        )


def _covered(sample: Sample) -> Iterator[Case]:
    request, keys = sample.request(), sample.keys(sample.secret)
    if "url" in sample.covers:
        for what, url in {
            "host": request.url.replace("in.acme", "in.acmf"), "path": request.url.replace("/one", "/two"),
            "query": request.url + ("&x=1" if "?" in request.url else "?x=1"), "scheme": request.url.replace("https", "http"),
            "bit": request.url[:-1] + chr(ord(request.url[-1]) ^ 1), "none": request.url.partition("?")[0] + "?",
        }.items():  # fmt: skip
            if sample.system != "mailchimp" or what in ("bit", "none"):
                yield Case(f"url {what}", replace(request, url=url), keys, good=False)
    if "method" in sample.covers:
        yield Case("another method", replace(request, method="PUT"), keys, good=False)
    if "id" in sample.covers:
        headers = {**request.headers, "webhook-id": "msg_2"}
        yield Case("another id", replace(request, headers=headers), keys, good=False)
    if sample.stamp:
        stamp = request.headers[sample.stamp]
        for what, other in {
            "missing": "", "later": stamp[:-2] + chr(ord(stamp[-2]) ^ 1) + stamp[-1:], "a word": "soon", "wide digits": "１７９００００００",
            "huge": "9" * 5000, "negative": f"-{stamp}", "float": f"{stamp}.0", "twice": f"{stamp}\n{stamp}", "exponent": "1e9",
        }.items():  # fmt: skip
            headers = {**request.headers, sample.stamp: other}
            yield Case(f"time {what}", replace(request, headers=headers), keys, good=False)


def _times(sample: Sample) -> Iterator[Case]:
    keys = sample.keys(sample.secret)
    if "stamp" not in sample.covers:
        return
    for off in (0, 1, 299, -299, 301, -301, 86_400, -86_400, 10**9, -(10**9)):
        yield Case(f"signed {off} s from now", sample.request(at=NOW + off), keys, good=abs(off) <= 300)
    if sample.shown:
        yield Case("milliseconds for seconds", sample.request(at=NOW * 1000.0), keys, good=False)
        yield Case("seconds for milliseconds", sample.request(at=NOW / 1000), keys, good=False)


@dataclass
class Figures:
    """What the table did with all cases: false accepts, false rejects and uncaught errors must be none."""

    cases: Counter[str] = field(default_factory=Counter)
    false_accepts: list[str] = field(default_factory=list)
    false_rejects: list[str] = field(default_factory=list)
    uncaught: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, int]:
        """For the proof file."""
        counts = {name: len(getattr(self, name)) for name in ("false_accepts", "false_rejects", "uncaught")}
        return {
            "webhook_vendors": len({SAMPLES[name].system for name in self.cases}),
            "webhook_cases": self.cases.total(),
            **counts,
        }


def judge(figures: Figures, vendor: str, case: Case) -> None:
    """Give one case to the table and count what it says."""
    label = f"{vendor}: {case.name}"
    figures.cases[vendor] += 1
    try:
        admit(SAMPLES[vendor].system, case.request, case.keys, int(case.now * SECOND))
    except Park as refused:
        if case.good or refused.cause != "bad_signature":
            (figures.false_rejects if case.good else figures.uncaught).append(f"{label} ({refused.cause})")
    except Exception as crash:
        figures.uncaught.append(f"{label} ({type(crash).__name__})")
    else:
        if not case.good:
            figures.false_accepts.append(label)


def figures() -> Figures:
    """Every case of every vendor, for `make proof`."""
    found = Figures()
    for vendor in SAMPLES:
        for case in cases(vendor):
            judge(found, vendor, case)
    return found
