"""What makes a container image of Rollcall, and what proves it where no container engine is at hand."""
