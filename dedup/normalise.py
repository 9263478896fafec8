"""Values as keys see them: two spellings of one thing become one text, and what identifies nothing becomes None.

Data arrives here in the dictionary's own form (e-mail lower-cased, phone in E.164), so these are short. Each function
is pure, total (any value in, text or None out) and idempotent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import idna


def email(value: Any) -> str | None:
    """An e-mail address, lower-cased, its domain in ASCII (IDNA); None when it has no name or no dotted domain."""
    if not isinstance(value, str):
        return None
    name, at, host = value.strip().lower().rpartition("@")
    if not at or not name or "@" in name or name.split() != [name]:
        return None
    ascii_host = _host(host)
    return f"{name}@{ascii_host}" if ascii_host else None


def domain(value: Any) -> str | None:
    """The domain of a web address, a host or an e-mail address, without `www.`, in ASCII."""
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    text = text.partition("://")[2] if "://" in text else text
    text = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    return _host(text.removeprefix("www."))


@lru_cache(maxsize=16_384)
def _host(text: str) -> str | None:
    host = text.rstrip(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    return host if _HOST.fullmatch(host) else None


def phone(value: Any) -> str | None:
    """A phone number in the dictionary's form, E.164 with an extension if it has one; anything else is no number."""
    return value if isinstance(value, str) and _E164.fullmatch(value) else None


def identifier(value: Any) -> str | None:
    """A registration or tax number: letters and digits only, upper-cased, accents and separators dropped."""
    text = "".join(character for character in _fold(value) if character.isalnum()).upper()
    return text or None


def code(value: Any) -> str | None:
    """A SKU or another code: trimmed, case folded; its dashes and dots stay, because they can tell two apart."""
    return " ".join(_fold(value).split()) or None


def person(values: Sequence[Any]) -> str | None:
    """A person's name as its sorted words, without titles; None for one word: "Ann" is no one in particular."""
    words = [word for word in _words_of(values) if word not in _TITLES]
    return " ".join(sorted(words)) if len(words) > 1 else None


def organisation(value: Any) -> str | None:
    """An organisation's name as its words in order, without legal forms at the end ("Acme, Inc." is "acme")."""
    words = _words(_fold(value))
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    return " ".join(words) or None


def address(values: Sequence[Any]) -> str | None:
    """A postal address as its words in order, in short forms; None without a digit: "Main Street" is no address."""
    words = [_SHORT.get(word, word) for word in _words_of(values)]
    text = " ".join(words)
    return text if len(words) > 1 and _DIGIT.search(text) else None


@dataclass(frozen=True, slots=True)
class Transform:
    """How a rule's fields become a key's value: each field by itself (any of them will do), or all of them together."""

    name: str
    each: Callable[[Any], str | None] | None = None
    together: Callable[[Sequence[Any]], str | None] | None = None


TRANSFORMS: Mapping[str, Transform] = {
    transform.name: transform
    for transform in (
        Transform("email", each=email),
        Transform("domain", each=domain),
        Transform("phone", each=phone),
        Transform("identifier", each=identifier),
        Transform("code", each=code),
        Transform("person", together=person),
        Transform("organisation", each=organisation),
        Transform("address", together=address),
    )
}
"""The transforms a rules file may name."""


def _words_of(values: Sequence[Any]) -> list[str]:
    return _words(" ".join([_fold(value) for value in values]))


def _words(folded: str) -> list[str]:
    return _WORD.findall(_APOSTROPHES.sub("", folded))


def _fold(value: Any) -> str:
    """Text without case and accents; '' for what is neither text nor a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return ""
    return value.lower() if value.isascii() else _fold_foreign(value)


@lru_cache(maxsize=16_384)
def _fold_foreign(value: str) -> str:
    for _ in range(3):  # folding can uncover marks and marks can uncover capitals; in practice once is enough
        apart = unicodedata.normalize("NFKD", value.casefold().translate(_LETTERS))
        bare = "".join(character for character in apart if not unicodedata.combining(character))
        bare = unicodedata.normalize("NFKC", bare)
        if bare == value:
            break
        value = bare
    return value


_E164 = re.compile(r"\+[1-9][0-9]{6,14}(?:;ext=[0-9]{1,7})?")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+(?:[a-z]{2,}|xn--[a-z0-9-]+)")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile("['’`]")  # O'Brien is obrien, not o brien
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_TITLES = frozenset(
    ("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "dame", "herr", "frau", "mme", "mlle", "jr", "sr")
)
_LEGAL_FORMS = frozenset(
    ("inc", "incorporated", "corp", "corporation", "co", "company", "llc", "llp", "lp", "ltd", "limited", "plc", "gmbh",
     "ag", "kg", "se", "sa", "sas", "sarl", "srl", "spa", "bv", "nv", "ab", "as", "oy", "pty")
)  # fmt: skip
_SHORT = {
    "street": "st", "avenue": "ave", "av": "ave", "road": "rd", "boulevard": "blvd", "drive": "dr", "lane": "ln",
    "court": "ct", "place": "pl", "square": "sq", "highway": "hwy", "parkway": "pkwy", "terrace": "ter", "suite": "ste",
    "apartment": "apt", "floor": "fl", "north": "n", "south": "s", "east": "e", "west": "w", "saint": "st",
    "strasse": "str",
}  # fmt: skip
