"""Prompts, and the kinds that ask a model for problems and solutions."""
