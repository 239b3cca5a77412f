"""The settings of webhooks."""

from pydantic import Field

from stream_server.settings.group import Group


class WebhookSettings(Group):
    """Receivers outside that are told of events."""

    max_webhooks: int = Field(20, ge=0, description="Webhooks that may be added; 0 for none.")
    allow_http: bool = Field(False, description="Let webhooks go over plain http, readable on the way.")
    allow_private: bool = Field(False, description="Let webhooks go to private networks, such as 10.0.0.7.")
    allow_loopback: bool = Field(False, description="Let webhooks go to this machine itself; for tests.")
    timeout_s: float = Field(15.0, gt=0, le=30, description="A receiver must have answered by then.")
    concurrency: int = Field(4, ge=1, le=32, description="Receivers that are sent to at one time.")
    disable_after_h: float = Field(
        72.0, gt=0, le=24 * 30, description="A webhook whose receiver has failed for so long is switched off."
    )
    keep_days: int = Field(30, ge=1, le=36_500, description="The log of deliveries is deleted when it is older.")
