"""Engines answer requests. ``protocol`` is what all of them keep to; ``catalog`` makes one from a profile's words."""
