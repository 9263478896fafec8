"""The house stands as planned, and every rule that guards it bites."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.house import plan, safety, survey
from tests.house.survey import House, long_functions

RULES = survey.RULES | safety.RULES

ROOT = Path(os.environ.get("THROUGHLINE_HOUSE", Path(__file__).resolve().parents[2]))


@pytest.fixture(scope="module")
def ours() -> House:
    return House(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_house_stands_as_planned(ours: House, rule: str) -> None:
    found = list(RULES[rule](ours))
    assert found == [], f"{RULES[rule].__doc__}\n" + "\n".join(found)


def test_long_functions_are_told(ours: House) -> None:
    print("\n".join(long_functions(ours)))  # noqa: T201 - shown by -rP


def test_the_lock_is_hashed_and_names_no_host() -> None:
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        pytest.skip("no lock in this tree")
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    pinned = re.split(r"\n(?=[a-zA-Z0-9])", "\n" + text.replace("\\\n", " "))[1:]
    assert pinned
    assert [line.split()[0] for line in pinned if "--hash=sha256:" not in line] == []


def build(root: Path, files: dict[str, str]) -> House:
    """A small house: every room of it with a README and a docstring, and the files asked for."""
    for room in plan.ROOMS:
        (root / room).mkdir()
        (root / room / "README.md").write_text(f"# {room}\nIts job.\n")
        (root / room / "__init__.py").write_text('"""A room."""\n')
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return House(root)


DOC = '"""A module."""\n'
LONG = DOC + "\n" * 401
DEEP = DOC + 'def f() -> None:\n    """It."""\n' + "    x = 1\n" * 61

CONNECTOR = DOC + 'class A:\n    """It."""\n\n    system: ClassVar[str] = "acme"\n'

SEEDED: list[tuple[str, dict[str, str], str]] = [
    ("floors", {"kernel/a.py": DOC + "import dictionary\n"}, "kernel/a.py:2: kernel may not see dictionary"),
    ("floors", {"mappings/a.py": DOC + "from connectors.base import X\n"}, "mappings may not see connectors"),
    ("floors", {"sandbox/a.py": DOC + "def f() -> None:\n    from kernel import ids\n"}, "sandbox may not see kernel"),
    ("floors", {"journey/a.py": DOC + "import sandbox.hubspot\n"}, "journey may not see sandbox"),
    ("floors", {"kernel/a.py": DOC + "import tests.house\n"}, "kernel may not see tests"),
    (
        "floors",
        {
            "journey/inbound/__init__.py": DOC,
            "journey/inbound/README.md": "# inbound\nIts job.\n",
            "journey/inbound/a.py": DOC + "from journey.outbound import planning\n",
        },
        "journey/inbound may not see journey/outbound",
    ),
    ("libraries", {"journey/a.py": DOC + "from prefect import flow\n"}, "prefect may not be imported in journey"),
    ("libraries", {"kernel/a.py": DOC + "import httpx\n"}, "httpx may not be imported in kernel"),
    ("libraries", {"journey/a.py": DOC + "import stripe\n"}, "stripe may not be imported in journey"),
    ("libraries", {"flows/a.py": DOC + "import fastapi\n"}, "fastapi may not be imported in flows"),
    ("libraries", {"dedup/a.py": DOC + "import sqlalchemy\n"}, "sqlalchemy may not be imported in dedup"),
    ("libraries", {"mappings/a.py": DOC + "import yaml\n"}, "yaml may not be imported in mappings"),
    ("libraries", {"kernel/a.py": DOC + "import yaml\n"}, "YAML is read only by kernel/documents.py"),
    (
        "cycles",
        {"kernel/a.py": "from kernel import b\n", "kernel/b.py": "import kernel.a\n"},
        "kernel.a -> kernel.b -> kernel.a",
    ),
    (
        "cycles",
        {"kernel/a.py": "from kernel import X\n", "kernel/__init__.py": "from kernel.a import X\n"},
        "an import cycle",
    ),
    ("cycles", {"kernel/a.py": "from . import b\n", "kernel/b.py": "from .a import f\n"}, "an import cycle"),
    (
        "late_imports",
        {"kernel/a.py": DOC + "def f() -> None:\n    import json\n"},
        "json is imported inside a function",
    ),
    ("late_imports", {"flows/a.py": DOC + "def f() -> None:\n    from journey import x\n"}, "is imported inside"),
    ("names", {"journey/utils.py": DOC}, "'utils' says nothing"),
    ("names", {"connectors/common/stripe.py": DOC}, "'common' says nothing"),
    ("names", {"extras/a.py": DOC}, "extras:1: no room of the plan"),
    ("sizes", {"kernel/a.py": LONG}, "the ceiling is 400"),
    ("sizes", {"kernel/a.py": DEEP}, "f has 62 lines; the ceiling is 60"),
    ("connector_sizes", {"connectors/acme.py": CONNECTOR + "\n" * 250}, "its ceiling is 250"),
    ("connector_sizes", {"connectors/acme/a.py": CONNECTOR, "connectors/acme/b.py": LONG}, "its ceiling is 250"),
    ("connector_sizes", {"connectors/shopify.py": CONNECTOR + "\n" * 300}, "lower its ceiling"),
    ("annotations", {"kernel/a.py": DOC + "def f(x) -> None: ...\n"}, "f: 'x' has no type"),
    ("annotations", {"kernel/a.py": DOC + "async def f(*, x: int): ...\n"}, "f has no result type"),
    ("annotations", {"kernel/a.py": DOC + "class A:\n    def _f(self, *a, **k) -> None: ...\n"}, "'k' has no type"),
    ("docstrings", {"kernel/a.py": "x = 1\n"}, "the module has no docstring"),
    ("docstrings", {"kernel/a.py": DOC + "def f() -> None: ...\n"}, "f has no docstring"),
    (
        "docstrings",
        {"kernel/a.py": DOC + 'class A:\n    """It."""\n    def g(self) -> None: ...\n'},
        "g has no docstring",
    ),
    ("comparisons", {"connectors/a.py": DOC + "ok = signature == expected\n"}, "'signature' is compared with =="),
    ("comparisons", {"connectors/a.py": DOC + "ok = mac.hexdigest() != request.sig\n"}, "'sig' is compared with =="),
    ("comparisons", {"console/a.py": DOC + "ok = given == settings['api_token']\n"}, "'api_token' is compared with =="),
    ("unsafe_calls", {"kernel/documents.py": DOC + "yaml.load(x)\n"}, "yaml.load may build any object"),
    ("unsafe_calls", {"mappings/a.py": DOC + "eval('1')\n"}, "eval is never needed"),
    ("unsafe_calls", {"journey/a.py": DOC + "print('x')\n"}, "print belongs to the console"),
    ("transport", {"connectors/a.py": DOC + "get(url, verify=False)\n"}, "verify=False"),
    ("transport", {"connectors/a.py": DOC + "httpx.Client(timeout=3)\n"}, "httpx.Client without trust_env=False"),
    ("transport", {"connectors/a.py": DOC + "httpx.HTTPTransport(trust_env=True)\n"}, "without trust_env=False"),
    ("transport", {"connectors/a.py": DOC + "httpx.get(url)\n"}, "httpx.get reads proxies from the environment"),
    ("transport", {"connectors/a.py": DOC + "s = requests.Session()\n"}, "requests.Session without trust_env = False"),
    ("transport", {"flows/a.py": DOC + "subprocess.run(x, shell=True)\n"}, "shell=True"),
    ("statements", {"journey/a.py": DOC + "conn.exec_driver_sql(f'PRAGMA {t}')\n"}, "a statement is put together"),
    ("statements", {"journey/a.py": DOC + "conn.execute(text('SELECT ' + x))\n"}, "a statement is put together"),
    ("statements", {"connectors/a.py": DOC + "org.query('SELECT %s' % x)\n"}, "a statement is put together"),
    ("statements", {"connectors/a.py": DOC + "org.query('SELECT {}'.format(x))\n"}, "a statement is put together"),
    ("literals", {"connectors/a.py": DOC + "format_soql('WHERE a = {x:literal}', x=x)\n"}, "is not quoted"),
    ("told_bodies", {"journey/a.py": DOC + "log.info('x', body=response.text)\n"}, "'text' is told to the log"),
    ("told_bodies", {"journey/a.py": DOC + "self.logger.debug(f'got {payload}')\n"}, "'payload' is told to the log"),
    ("told_bodies", {"journey/a.py": DOC + "log.bind(a=1).warning('x', x=row['raw'])\n"}, "'raw' is told to the log"),
    ("told_bodies", {"console/a.py": DOC + "print(record.raw)\n"}, "'raw' is told to the log"),
    ("readmes", {"kernel/README.md": "x\n" * 9}, "kernel/README.md:1: 9 lines"),
    ("stewards_folders", {"dedup/contact.yaml": "a: 1\n"}, "YAML lives one folder down"),
    ("stewards_folders", {"dedup/rules/a.yaml": "a: 1\n", "dedup/rules/a.py": DOC}, "Python stands beside it"),
]


@pytest.mark.parametrize(("rule", "files", "told"), SEEDED, ids=[f"{rule}-{told[:40]}" for rule, _, told in SEEDED])
def test_a_seeded_fault_is_found(tmp_path: Path, rule: str, files: dict[str, str], told: str) -> None:
    found = list(RULES[rule](build(tmp_path, files)))
    assert any(told in finding for finding in found), found


def test_every_rule_has_a_seeded_fault() -> None:
    assert {rule for rule, _, _ in SEEDED} == set(RULES)


SOUND = {
    "kernel/documents.py": DOC + "import yaml\nyaml.safe_dump({})\n",
    "journey/a.py": DOC + "import kernel.documents\nfrom dedup import X\nlog.info('x', size=len(body))\n",
    "console/a.py": DOC
    + 'def run() -> None:\n    """Late on purpose."""\n    from flows import sync\n\n    print(sync)\n',
    "connectors/base.py": DOC
    + 'class Connector:\n    """It."""\n\n    def read(self) -> None:\n        """Reads."""\n',
    "connectors/stripe.py": DOC
    + "import hmac\nimport stripe\nfrom connectors.base import Connector\n\n"
    + 'class Stripe(Connector):\n    """It."""\n\n    def read(self) -> None: ...\n\n'
    + "ok = hmac.compare_digest(signature, expected) and next_page_token != seen and token == ''\n",
    "dedup/rules/contact.yaml": "a: 1\n",
    "docs/a.py": "x = 1\n",
}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_sound_house_is_left_in_peace(tmp_path: Path, rule: str) -> None:
    assert list(RULES[rule](build(tmp_path, SOUND))) == []


def test_a_missing_readme_is_found(tmp_path: Path) -> None:
    house = build(tmp_path, {})
    (tmp_path / "kernel" / "README.md").unlink()
    assert list(RULES["readmes"](house)) == ["kernel/README.md:1: is missing"]


def test_typing_only_imports_make_no_cycle(tmp_path: Path) -> None:
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kernel.b import B\n"
    house = build(tmp_path, {"kernel/a.py": typed, "kernel/b.py": "from kernel.a import A\n"})
    assert list(RULES["cycles"](house)) == []
