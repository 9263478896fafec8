"""`throughline` without its second of imports: a process that has them already forks one child for each call.

`python -m tests.docs.quick SOCKET` waits there; a small script (`CLIENT`) hands its arguments, environment and standard
streams over and ends with the child's exit code. What runs is `console.cli.main`, in a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as talk:
    talk.connect({socket!r})
    told = [sys.argv, dict(os.environ), os.getcwd(), len(sys.argv[0])]
    body = json.dumps(told).encode()
    socket.send_fds(talk, [len(body).to_bytes(4, "big")], [0, 1, 2])
    talk.sendall(body)
    code = talk.recv(1)
os._exit(code[0] if code else 137)
"""


def main(place: str) -> None:
    """Serve until the process is ended."""
    from console import cli

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen(16)
        while True:
            talk, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(talk, cli.main)
            talk.close()


def _answer(talk: socket.socket, call: object) -> None:
    size, streams, _, _ = socket.recv_fds(talk, 4, 3)
    body = b""
    while len(body) < int.from_bytes(size, "big"):
        body += talk.recv(65536)
    arguments, environment, folder, _ = json.loads(body)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = arguments
    code = 0
    try:
        assert callable(call)
        call()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    talk.sendall(bytes([code % 256]))
    os._exit(code)


def write_client(path: Path, place: str) -> None:
    """The script that stands where `throughline` would."""
    path.write_text(CLIENT.format(python=sys.executable, socket=place), encoding="utf-8")
    path.chmod(0o755)


if __name__ == "__main__":
    main(sys.argv[1])
