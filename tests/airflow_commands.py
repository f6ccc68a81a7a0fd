"""Airflow's command line, loaded once: each command is a fork, which takes a tenth of a new process's five seconds.

``python airflow_commands.py SOCKET`` serves commands that come with their arguments, folder, environment and the three
standard files; :func:`send` is the other side.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def send(path: str, arguments: Sequence[str]) -> int:
    """Runs a command with this process's folder, environment and files; its exit code."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        message = json.dumps({"arguments": list(arguments), "folder": str(Path.cwd()), "environment": dict(os.environ)})
        socket.send_fds(server, [message.encode()], [0, 1, 2])
        server.shutdown(socket.SHUT_WR)
        return int(server.recv(16))


def serve(path: str) -> None:
    from airflow.cli import cli_parser

    cli_parser.get_parser()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            with client:
                message, files, *_ = socket.recv_fds(client, 65536, 3)
                while part := client.recv(65536):
                    message += part
                child = os.fork()
                if child == 0:
                    _run(json.loads(message), files)
                _, status = os.waitpid(child, 0)
                for file in files:
                    os.close(file)
                client.send(str(os.waitstatus_to_exitcode(status)).encode())


def _run(command: dict[str, Any], files: Sequence[int]) -> None:
    from airflow.__main__ import main

    code: int | str | None = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(command["folder"])
        os.environ.update(command["environment"])
        sys.argv = ["airflow", *command["arguments"]]
        main()
        code = 0
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


if __name__ == "__main__":
    serve(sys.argv[1])
