"""Rules: each turns one kind of question into an operation, or returns None and leaves it to the next."""
