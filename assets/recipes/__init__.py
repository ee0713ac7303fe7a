"""The recipes that ship, as data: one folder each."""
