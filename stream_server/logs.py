"""Logging: one line an event, on standard error."""

import logging
import logging.config

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _HideStartupTraceback(logging.Filter):
    """uvicorn logs a failed start with its whole traceback; the command says the same in a line and a hint."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        # The second is said of every socket that is refused with an answer.
        return not message.startswith(("Traceback", "ASGI callable returned without completing handshake"))


def configure_logging(level: str) -> None:
    """Set up logging for the server process."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"no_startup_traceback": {"()": _HideStartupTraceback}},
            "formatters": {"line": {"format": FORMAT}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": level, "handlers": ["stderr"]},
            "loggers": {
                # Never DEBUG: it writes down what goes over the sockets, pictures and names included.
                "uvicorn.error": {
                    "level": "INFO" if level == "DEBUG" else level,
                    "filters": ["no_startup_traceback"],
                },
                # What it says below goes over the line to ngrok, the token included.
                "ngrok": {"level": "WARNING"},
                # Paths carry ids of people and cameras; who asked for what belongs into the audit log.
                "uvicorn.access": {"level": "WARNING"},
            },
        }
    )
