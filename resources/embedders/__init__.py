"""Embedders turn texts into vectors of length 1. ``protocol`` is what all of them keep to."""
