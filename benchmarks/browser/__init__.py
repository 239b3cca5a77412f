"""What people see of Rollcall, measured in a real Chromium: how soon, how heavy, and for how long."""
