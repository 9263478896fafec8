"""How a vendor's list goes on: the few styles there are, followed in one place that no loop of the vendor's can trap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.dotted import at
from connectors.http import Answer, Http, PageGuard
from kernel.records import Json


@dataclass(frozen=True, slots=True)
class Paging:
    """One style. `asks` is the parameter that names the next page, `size` the one for its length and the most it may be.

    The next page is told in the body (`told`, a dotted path: cursors, offsets), or pages are numbered from 1 up to the
    number in a header (`total`), or until one is not full (`numbered`). `items` is the dotted path of the objects; empty:
    the body is the list. `always`: the last page says that it is the last (null), so an answer that says nothing is no
    end. `more` is the dotted path of a flag that says the same in another way: both must agree. `backwards` are parameters
    by which the list comes from its other end: where a page is full and yet the last, its last object is asked for, and
    must not come after that page.
    """

    asks: str
    size: tuple[str, int]
    told: str = ""
    total: str = ""
    items: str = ""
    always: bool = False
    numbered: bool = False
    more: str = ""
    backwards: Mapping[str, Any] = field(default_factory=dict)

    def asking(self, most: int) -> Json:
        """The parameter that asks for a page of so many objects."""
        return {self.size[0]: most}

    def pages(
        self, http: Http, path: str, params: Mapping[str, Any], token: Any = None
    ) -> Iterator[tuple[list[Json], Any, Answer]]:
        """(objects, token of the next page or None, answer), from `token` on. An answer without a list is retried."""
        guard = PageGuard(http.connection)
        while True:
            answer = http.get(path, params={**params, **self._place(token)})
            items = at(answer.json(), self.items)
            if not isinstance(items, list):
                raise answer.unreadable("the answer holds no list")
            token = self._next(answer, token, len(items))
            if token is None and self.backwards and len(items) >= self.size[1]:
                self._ended(http, path, params, items[-1])
            yield items, token, answer
            if token is None:
                return
            guard.advance(token)

    def _place(self, token: Any) -> Json:
        return {self.size[0]: self.size[1], **({} if token is None else {self.asks: token})}

    def _next(self, answer: Answer, token: Any, many: int) -> Any:
        if self.numbered:
            return int(token or 1) + 1 if many >= self.size[1] else None
        if not self.total:
            around, _, name = self.told.rpartition(".")
            holder = at(answer.json(), around)
            if self.always and not (isinstance(holder, dict) and name in holder):
                raise answer.unreadable("the answer does not say where the list goes on")
            told = at(answer.json(), self.told)
            if self.more and at(answer.json(), self.more) is not (told is not None):
                raise answer.unreadable("the answer does not say whether the list goes on, and where")
            return told
        last, number = answer.headers.get(self.total, ""), int(token or 1)
        return number + 1 if last.isdecimal() and number < int(last) else None

    def _ended(self, http: Http, path: str, params: Mapping[str, Any], last: Json) -> None:
        """Hold a list to its word that this was its last object, in the order it was asked for."""
        answer = http.get(path, params={**params, self.size[0]: 1, **self.backwards})
        order, furthest = params.get("sort_by", "id"), at(answer.json(), self.items)
        if not furthest or furthest[0][order] > last[order]:
            raise answer.unreadable("a full page says that the list ends there, and it does not")


@dataclass(frozen=True, slots=True)
class ById(Paging):
    """A list by offset, in order of rising numeric ids, that shifts while it is read.

    What is deleted behind us draws the rest forward, and a page that began where the last one ended would leave objects
    out. So pages overlap; where they no longer meet we go back. Each object comes once. `total` is the header that counts
    all; without it, or where it counts fewer than there were, the list ends with a page that shows nothing new.
    """

    def pages(
        self, http: Http, path: str, params: Mapping[str, Any], token: Any = None
    ) -> Iterator[tuple[list[Json], Any, Answer]]:
        """(objects, token, answer) as `Paging` does; a token is [offset, last id]."""
        guard, size = PageGuard(http.connection), self.size[1]
        offset, last = token or (0, 0)
        while True:
            asked = {**params, self.size[0]: size, self.asks: offset, "orderby": "id", "order": "asc"}
            answer = http.get(path, params=asked)
            items = answer.json()
            if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
                raise answer.unreadable("the answer holds no list")
            if offset and items and _id(items[0]) > last:
                guard.advance((offset, last))
                offset = max(0, offset - size)
                continue
            fresh = [one for one in items if not _id(one) or _id(one) > last]
            told, last = answer.headers.get(self.total, ""), max([last, *map(_id, items)])
            seen = offset + len(items)
            more = seen < int(told) if told.isdecimal() and int(told) >= seen else bool(fresh)
            offset += max(1, len(items) - min(_OVERLAP, size // 2)) if items else size
            yield fresh, [offset, last] if more else None, answer
            if not more:
                return


@dataclass(frozen=True, slots=True)
class Below(Paging):
    """A list from its newest object down, each page below the last object of the one before.

    `told` is the path of an object's token. A page that is not full is the last, unless the count of all (`total`, a path
    of the body) says that more were to come.
    """

    def pages(
        self, http: Http, path: str, params: Mapping[str, Any], token: Any = None
    ) -> Iterator[tuple[list[Json], Any, Answer]]:
        """(objects, token, answer) as `Paging` does."""
        guard, seen = PageGuard(http.connection), 0
        while True:
            answer = http.get(path, params={**params, **self._place(token)})
            items, total = at(answer.json(), self.items), at(answer.json(), self.total)
            if not isinstance(items, list):
                raise answer.unreadable("the answer holds no list")
            seen += len(items)
            more = len(items) >= self.size[1] or (isinstance(total, int) and total > seen)
            token = at(items[-1], self.told) if items and more else None
            if items and more and token is None:
                raise answer.unreadable("the answer does not say where the list goes on")
            yield items, token, answer
            if token is None:
                return
            guard.advance(token)


_OVERLAP = 10
"""Objects two pages share: so many may be deleted between two requests before we have to go back."""


def _id(one: Json) -> int:
    id = one.get("id")
    return id if isinstance(id, int) else int(id) if isinstance(id, str) and id.isdecimal() else 0
