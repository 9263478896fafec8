"""No planted value is told anywhere, and the look would find one in whatever form it stood there."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from kernel import log
from tests.canaries.figures import found
from tests.canaries.firm import by_command_line, by_prefect, firms
from tests.canaries.looking import Canaries, hits


def test_a_thousand_canaries_are_told_nowhere(tmp_path: Path) -> None:
    with firms(tmp_path, seed=1) as firm:
        firm.customers(60)
        firm.people(12)
        firm.file(24)
        by_command_line(firm)
        by_prefect(firm)
        told = found(firm)
        assert told == [], f"{len(told)} hits\n" + "\n".join(told[:40])
        assert len(set(firm.canaries.planted)) >= 1_000
        assert (firm.home / "throughline.db").stat().st_size > 500_000
        assert (firm.home / "throughline.db-wal").stat().st_size > 500_000
        assert (firm.home / "prefect/prefect.db").is_file()
        assert any("applied" in text for text in firm.shown)
        assert sum(text.startswith("Ended(") for text in firm.shown) == 7
        assert list((firm.home / "logs").glob("*"))


CANARY = Canaries(7).text()


@pytest.mark.parametrize(
    "told",
    [
        CANARY,
        CANARY.upper(),
        quote(CANARY, safe=""),
        json.dumps({"x": CANARY}),
        repr(CANARY.encode()),
        CANARY.encode().hex(),
        *(base64.b64encode(f"{'x' * n}{CANARY}".encode()).decode() for n in range(3)),
        base64.urlsafe_b64encode(f"user:{CANARY}".encode()).decode(),
    ],
    ids=["plain", "upper", "url", "json", "bytes", "hex", "base64-0", "base64-1", "base64-2", "basic"],
)
def test_a_value_in_a_log_line_is_found(tmp_path: Path, told: str) -> None:
    with firms(tmp_path, seed=2) as firm:
        firm.home.mkdir()
        (firm.home / "throughline.db").touch()
        log.configure(path=firm.home / "log.jsonl")
        log.get("test").info(f"a vendor said {told}")
        assert len(found(firm)) >= 1


def test_what_is_no_canary_is_not_found() -> None:
    assert hits(b"sealed and harmless " * 1_000) == []
