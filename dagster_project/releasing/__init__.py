"""Releases: what would go out and why, whether it may, one commit and one tag, and the record of it."""
