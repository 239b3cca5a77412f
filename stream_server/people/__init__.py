"""The enrolled, and those nobody has named: the gallery in memory, enrolment, backup, PINs and QR codes, review."""
