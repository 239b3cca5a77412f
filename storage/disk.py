"""What has to be asked of the disk so that a file is still there after a power cut."""

import os
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Return when the names in the folder are on the disk: syncing a new or renamed file does not see to that.

    Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
