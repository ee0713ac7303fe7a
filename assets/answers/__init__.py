"""From a solution's text to an answer, its canonical key, and votes."""
