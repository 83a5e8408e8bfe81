"""The lake: its tables, what is published, and what is cleared away."""
