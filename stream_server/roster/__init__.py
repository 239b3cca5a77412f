"""Roster files: from the bytes of a CSV, XLSX or OneRoster file to rows that storage can apply."""
