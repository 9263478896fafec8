"""Rules of safety that no linter of ours has: how we reach others, and how statements come to be."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from tests.house import plan
from tests.house.survey import Findings, House

_CLIENTS = frozenset({"httpx.Client", "httpx.AsyncClient", "httpx.HTTPTransport", "httpx.AsyncHTTPTransport"})
_BARE = re.compile(r"(?:httpx|requests)\.(?:get|post|put|patch|delete|head|options|request|stream)")
_STATEMENTS = re.compile(r"(?:^|\.)(?:execute|executemany|executescript|exec_driver_sql|text|query|query_all)$")
_SQL = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|VACUUM|WITH)\b", re.IGNORECASE)
_UNQUOTED = re.compile(r"\{\w*:literal\}")


def transport(house: House) -> Findings:
    """Certificates are checked, no proxy of the environment is believed, no shell is asked."""
    for module in house.modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            called, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            for name, value in (("verify", "False"), ("shell", "True")):
                if given.get(name) == value:
                    yield module.at(node, f"{name}={value}")
            if called in _CLIENTS and given.get("trust_env") != "False":
                yield module.at(node, f"{called} without trust_env=False")
            if module.room != "sandbox" and _BARE.fullmatch(called):
                yield module.at(node, f"{called} reads proxies from the environment; use connectors.http")
            if called == "requests.Session" and ".trust_env = False" not in module.text:
                yield module.at(node, "requests.Session without trust_env = False")


def statements(house: House) -> Findings:
    """SQL and SOQL that is run is written whole; values are bound or quoted by the library."""
    for module in house.modules:
        if module.path in plan.SQL_WRITERS:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and node.args and _STATEMENTS.search(ast.unparse(node.func)):
                first = node.args[0]
                if _composed(first) and _SQL.match(_beginning(first)):
                    yield module.at(node, "a statement is put together from text; bind its values")


def _composed(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod) and not all(
            isinstance(side, ast.Constant) for side in (node.left, node.right)
        )
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def _beginning(node: ast.expr) -> str:
    texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return next(texts, "")


def literals(house: House) -> Findings:
    """`{x:literal}` lets a value into SOQL as it is; the plan names the modules that may, and why."""
    for module in house.modules:
        for node in ast.walk(module.tree):
            told = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if _UNQUOTED.search(told) and module.path not in plan.UNQUOTED:
                yield module.at(node, "a value of this SOQL is not quoted")


RULES: dict[str, Callable[[House], Findings]] = {rule.__name__: rule for rule in (transport, statements, literals)}
"""The rules that refuse."""
