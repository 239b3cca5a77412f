"""When a message that was not taken is sent again."""

import random
from datetime import datetime, timedelta

# The schedule that the Standard Webhooks specification gives as its example; the last step comes again.
STEPS_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.2
GONE = 410


def next_attempt(at: datetime, failures: int, *, retry_after_s: float | None, jitter: float | None = None) -> datetime:
    """When to try again after so many failures in a row (from 1), not before the receiver asks for it.

    `jitter` in 0..1 spreads attempts over a fifth of the step; default: by chance. Receivers that failed together must
    not be tried together.
    """
    step_s = STEPS_S[min(failures, len(STEPS_S)) - 1]
    share = random.random() if jitter is None else jitter
    wait_s = step_s * (1 + JITTER * share)
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, STEPS_S[-1]))
    return at + timedelta(seconds=wait_s)


def why_disable(at: datetime, failing_since: datetime | None, status: int | None, disable_after_h: float) -> str:
    """The reason to switch a webhook off; empty while it is to be tried again."""
    if status == GONE:
        return "the receiver says that it is gone (410)"
    if failing_since is not None and at - failing_since >= timedelta(hours=disable_after_h):
        return f"the receiver has failed for {disable_after_h:g} hours"
    return ""
