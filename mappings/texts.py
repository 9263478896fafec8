"""Transforms of text: tidying, e-mail, domains, addresses on the web, names, lists."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import idna
from nameparser import HumanName

from dictionary.values import DOMAIN, EMAIL, RULES
from mappings.freemail import FREE_MAIL
from mappings.paths import ABSENT
from mappings.steps import Params, Step, Unfit, same

_EMAIL = re.compile(EMAIL.removeprefix("^").removesuffix("$"))
_DOMAIN = re.compile(DOMAIN.removeprefix("^").removesuffix("$"))
_NAMED = re.compile(r"[^<>]*<([^<>]+)>\s*")
_SPACE = re.compile(r"\s")
_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_TAG = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr)\b[^<>]*>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]*>")
_PLAIN_NAME = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?(?: [^\W\d_]+(?:-[^\W\d_]+)?)?")


def text(value: Any) -> str:
    """A scalar as tidy text: NFC, no NUL, trimmed. An empty text stays what it is: empty."""
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit(RULES["text"])
        return str(value)
    tidy: str = value
    if not tidy.isascii():
        tidy = unicodedata.normalize("NFC", tidy)
    if "\x00" in tidy:
        tidy = tidy.replace("\x00", "")
    return tidy.strip()


def lower(value: Any) -> str:
    """Lower case."""
    return text(value).lower()


def upper(value: Any) -> str:
    """Upper case."""
    return text(value).upper()


def email(value: Any) -> str | None:
    """A lower-case address; `Name <a@b>` and `mailto:` are opened. None for an empty text."""
    if not isinstance(value, str):
        raise Unfit(RULES["email"])
    address = value.strip().lower()
    if _EMAIL.fullmatch(address):
        return address
    if not address:
        return None
    if named := _NAMED.fullmatch(address):
        address = named[1].strip()
    local, at, host = address.removeprefix("mailto:").rpartition("@")
    if at and not host.isascii():
        host = _ascii_host(host, "email")
    address = unicodedata.normalize("NFC", f"{local}@{host}")
    if not _EMAIL.fullmatch(address):
        raise Unfit(RULES["email"])
    return address


def _ascii_host(host: str, kind: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise Unfit(RULES[kind]) from None


@lru_cache(maxsize=8192)
def _domain(value: str) -> str | None:
    host = value.strip().lower()
    if not host:
        return None
    host = host.rpartition("@")[2] if "@" in host and "/" not in host else _SCHEME.sub("", host)
    host = re.split(r"[/?#]", host, maxsplit=1)[0].rpartition("@")[2].partition(":")[0].strip(".").removeprefix("www.")
    if not host.isascii():
        host = _ascii_host(host, "domain")
    if not _DOMAIN.fullmatch(host):
        raise Unfit(RULES["domain"])
    return host


def domain(value: Any) -> str | None:
    """The organisation's own domain from a domain, web address or e-mail address; None for a free-mail provider's."""
    if not isinstance(value, str):
        raise Unfit(RULES["domain"])
    host = _domain(value)
    return None if host in FREE_MAIL else host


def domain_of(value: Any) -> Any:
    """The domain of an e-mail address; ABSENT for a free-mail provider's or what is no address."""
    try:
        found = domain(value) if isinstance(value, str) and "@" in value else None
    except Unfit:
        return ABSENT
    return found or ABSENT


def url(value: Any) -> str | None:
    """An http(s) address; https where the scheme was left out; host in lower case."""
    if not isinstance(value, str):
        raise Unfit(RULES["url"])
    address = value.strip()
    if not address:
        return None
    found = _SCHEME.match(address)
    scheme, rest = (found[1].lower(), address[found.end() :]) if found else ("https", address)
    host, slash, path = rest.partition("/")
    bare = host.partition("?")[0].partition("#")[0].rpartition("@")[2].partition(":")[0]
    if not bare or "." not in bare or _SPACE.search(rest) or "://" in host:
        raise Unfit(RULES["url"])
    rest = host.lower() + (slash + path if path else "") if "?" not in host and "#" not in host else rest
    return f"{scheme}://{rest}"


def strip_html(value: Any) -> str:
    """The text of a piece of HTML; paragraphs become lines."""
    flat = _ANY_TAG.sub("", _TAG.sub("\n", text(value)))
    lines = (" ".join(line.split()) for line in html.unescape(flat).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def collapse(value: Any) -> str:
    """Runs of white space as one space."""
    return " ".join(text(value).split())


class NamePart(Params):
    """Which part of a full name."""

    part: Literal["first", "last", "title"]


@lru_cache(maxsize=8192)
def _parts(name: str) -> tuple[str, str, str]:
    """(first and middle, last and suffix, title) of a full name."""
    if _PLAIN_NAME.fullmatch(name):
        first, _, last = name.partition(" ")
        return first, last, ""
    parsed = HumanName(name)
    first = f"{parsed.first} {parsed.middle}".strip()
    last = f"{parsed.last} {parsed.suffix}".strip()
    if not first and last and not parsed.title:
        first, last = last, ""
    return first or (name if not last else ""), last, parsed.title


def name_part(params: NamePart) -> Step:
    """One part of a full name; a single word is a first name. ABSENT when there is no such part.

    Of a list [the part itself, the full name], the part itself when it is there.
    """
    place = ("first", "last", "title").index(params.part)

    def apply(value: Any) -> Any:
        if isinstance(value, list):
            part, *whole = [collapse(one) if one is not None else "" for one in value] or [""]
            if part or not whole:
                return part or ABSENT
            value = whole[0]
        name = collapse(value)
        return (_parts(name)[place] or ABSENT) if name else None

    return Step(apply, None, yields="text")


def full_name(value: Any) -> Any:
    """The parts of a name as one; ABSENT when there are none."""
    return " ".join(_present(value)) or ABSENT


def _present(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [tidy for part in parts if part is not None and part is not ABSENT and (tidy := text(part))]


class Separator(Params):
    """What stands between the parts."""

    separator: str = ", "


def join(params: Separator) -> Step:
    """A list of scalars as one text; empty parts are left out. ABSENT when nothing is left."""
    return Step(lambda value: params.separator.join(_present(value)) or ABSENT, None, yields="text")


def split(params: Separator) -> Step:
    """A text as a list; empty parts are left out."""
    mark = params.separator.strip() or params.separator

    def apply(value: Any) -> list[str]:
        parts = value if isinstance(value, list) else text(value).split(mark)
        return unique(_present(parts))

    return Step(apply, lambda value: params.separator.join(value))


def unique(values: Sequence[Any]) -> list[Any]:
    """The values in order, each once."""
    return list(dict.fromkeys(values))


def as_list(value: Any) -> list[Any]:
    """A list of scalars, each once; a single scalar is a list of one."""
    return unique(_present(value))


def first(value: Any) -> Any:
    """The first element of a list; ABSENT when it is empty. A scalar is itself."""
    if not isinstance(value, list):
        return value
    return value[0] if value else ABSENT


class Prefix(Params):
    """A text that the vendor puts before each value."""

    prefix: str


def strip_prefix(params: Prefix) -> Step:
    """A text without its prefix; the prefix is put back on the way out."""
    return Step(lambda value: text(value).removeprefix(params.prefix), lambda value: f"{params.prefix}{value}")


class Values(Params):
    """Texts that mean "nothing"."""

    values: list[str]


def absent_if(params: Values) -> Step:
    """ABSENT for values that only fill a gap, such as `n/a`; compared without case and outer space."""
    gaps = {value.strip().lower() for value in params.values}
    return Step(lambda value: ABSENT if isinstance(value, str) and value.strip().lower() in gaps else value, same)
