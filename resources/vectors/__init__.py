"""Vectors of texts: kept across builds by what they were made from, and compared exactly."""
