"""The answer to the query that the package sends before its first submit, for a job that nobody knows."""

from __future__ import annotations

import json
import re

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

_PATH = re.compile(r"/api/v1/tasks/[0-9a-f]{8}-[0-9a-f-]{27}$")


def know_no_job(server: HTTPServer) -> None:
    """Makes a server answer that it knows no job whose id is a UUID."""

    def unknown(request: Request) -> Response:
        output = {"task_id": request.path.rpartition("/")[2], "task_status": "UNKNOWN"}
        return Response(json.dumps({"output": output}))

    server.expect_request(_PATH).respond_with_handler(unknown)
