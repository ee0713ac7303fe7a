"""The engine that answers from files of completions that a user has already."""
