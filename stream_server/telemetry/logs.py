"""Logging: one line an event, on standard error, for people or as JSON for programs."""

import json
import logging
import logging.config
from datetime import UTC, datetime
from typing import Literal

from stream_server.telemetry import log_context

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _HideStartupTraceback(logging.Filter):
    """uvicorn logs a failed start with its whole traceback; the command says the same in a line and a hint."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        # The second is said of every socket that is refused with an answer.
        return not message.startswith(("Traceback", "ASGI callable returned without completing handshake"))


class JsonLine(logging.Formatter):
    """An object a line: `time`, `level`, `logger`, `message`; `request_id` and `camera` where there is one; `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **log_context.current(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(level: str, *, format_: Literal["text", "json"] = "text") -> None:
    """Set up logging for the server process."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"no_startup_traceback": {"()": _HideStartupTraceback}},
            "formatters": {"text": {"format": FORMAT}, "json": {"()": JsonLine}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": format_}},
            "root": {"level": level, "handlers": ["stderr"]},
            "loggers": {
                # Never DEBUG: it writes down what goes over the sockets, pictures and names included.
                "uvicorn.error": {
                    "level": "INFO" if level == "DEBUG" else level,
                    "filters": ["no_startup_traceback"],
                },
                # What it says below goes over the line to ngrok, the token included.
                "ngrok": {"level": "WARNING"},
                # Paths carry ids of people and cameras; `access_log` tells of requests without them.
                "uvicorn.access": {"level": "WARNING"},
            },
        }
    )
