"""Logging: one line an event, on standard error."""

import logging
import logging.config

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _HideStartupTraceback(logging.Filter):
    """uvicorn logs a failed start with its whole traceback; the command says the same in a line and a hint."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Traceback")


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
                "uvicorn.error": {"level": level, "filters": ["no_startup_traceback"]},
                # Paths carry ids of people and cameras; who asked for what belongs into the audit log.
                "uvicorn.access": {"level": "WARNING"},
            },
        }
    )
