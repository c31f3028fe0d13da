"""Log lines as JSON objects on stderr: sizes and ids, never prompts, pixels, code or secrets."""

from __future__ import annotations

import json
import logging
import sys
import time

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_ENCODE = json.JSONEncoder(default=str, ensure_ascii=False).encode


class JsonFormatter(logging.Formatter):
    """Renders a record and its `extra` fields as one JSON object a line."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server
        self._second = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON."""
        line: dict[str, object] = {
            "time": f"{self._to_the_second(int(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "server": self._server,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _ENCODE(line)

    def _to_the_second(self, second: int) -> str:
        if second != self._second[0]:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return self._second[1]


def configure(server: str, level: str) -> None:
    """Send this process's log to stderr."""
    # Nothing here tells who logged from which line, thread or process, so nobody needs to find out (logging HOWTO,
    # "Optimization"): it was a third of what a line costs.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(server))
    logging.basicConfig(level=level, handlers=[handler], force=True)
