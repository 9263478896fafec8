"""`python -m sandbox.call SYSTEM METHOD PATH [BODY]`: one request to a running simulator, as another application would make it.

The answer goes to standard output. BODY is JSON, or a form such as `name=Ada&phone=1` (Stripe). Simulators and their
credentials are found in DIR/serving.json, which `python -m sandbox` writes: DIR is --home, or the demo's folder in THROUGHLINE_HOME.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """0: answered 2xx; 1: answered otherwise; 2: no such simulator runs."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.call", description="Ask a running simulator something.")
    parser.add_argument("--home", type=Path, help="the simulators' folder; default: the demo's")
    for name in ("system", "method", "path"):
        parser.add_argument(name)
    parser.add_argument("body", nargs="?", default="")
    asked = parser.parse_args(arguments)
    home = asked.home or Path(os.environ.get("THROUGHLINE_HOME") or CHECKOUT / ".throughline") / "demo/sandbox"
    try:
        serving = json.loads((home / "serving.json").read_text(encoding="utf-8"))
        port, token = serving["ports"][asked.system], serving["tokens"][asked.system]
        status, answer = call(port, token, asked.method, asked.path, asked.body)
    except FileNotFoundError:
        sys.stderr.write(f"no simulators run in {home}; `throughline demo` starts them\n")
        return 2
    except (KeyError, OSError):
        sys.stderr.write(f"no simulator of '{asked.system}' answers in {home}\n")
        return 2
    sys.stdout.write(f"{answer}\n")
    return 0 if 200 <= status < 300 else 1


def call(port: int, token: str, method: str, path: str, body: str = "") -> tuple[int, str]:
    """One request with the credential as each vendor wants it; the status and the answer's text."""
    kind = "application/json" if body.startswith(("{", "[")) else "application/x-www-form-urlencoded"
    headers = {"Authorization": f"Bearer {token}", "X-Shopify-Access-Token": token, "Content-Type": kind}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method.upper(), path, body.encode() or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
