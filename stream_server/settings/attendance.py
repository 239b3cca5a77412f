"""Settings of sessions and attendance."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from storage.attendance_policy import AttendancePolicy


class AttendanceSettings(BaseModel):
    """How attendance is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    early_s: int = Field(
        600, ge=0, le=7200, description="A planned session opens, and takes attendance, this long before its start."
    )
    late_after_s: int = Field(
        300, ge=0, le=86_400, description="Whoever is first seen later than this after the start is late."
    )
    re_entry_s: int = Field(
        120,
        ge=0,
        le=86_400,
        description="Where coming and going is counted: somebody seen again sooner has not been away.",
    )
    review_keep_hours: int = Field(
        72, ge=1, le=2160, description="Faces that nearly matched wait so long for somebody to settle them."
    )
    pin_failures_max: int = Field(
        5, ge=1, le=100, description="Wrong PINs and QR codes from one camera or kiosk in five minutes; then it waits."
    )

    @property
    def policy(self) -> "AttendancePolicy":
        """The rules by which a moment becomes a status."""
        # Commands that need no database read the settings too.
        from storage.attendance_policy import AttendancePolicy

        return AttendancePolicy(self.early_s, self.late_after_s, self.re_entry_s)
