"""What the law and people ask for: audit log, retention, forgetting, export, and the keys of what is kept sealed."""
