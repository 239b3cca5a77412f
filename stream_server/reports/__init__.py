"""Attendance as files: CSV, JSON, XLSX, and a page to print."""
