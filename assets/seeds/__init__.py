"""Seed sources and the parsers that turn their rows into problems."""
