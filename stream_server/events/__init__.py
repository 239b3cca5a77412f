"""The event bus: from the outbox in the database to everybody who follows."""
