"""Timetables: from iCalendar files and forms to the lessons that are held."""
