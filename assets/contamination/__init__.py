"""Finds problems that a test set holds too, and says what was found."""
