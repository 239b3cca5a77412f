"""One module per migration, numbered so that their names sort in order."""
