"""The embedder that needs no weights: words, numbers and pairs of them, weighed and hashed into a vector.

``text`` makes spellings alike, ``tokens`` cuts, ``words`` lists what is written in several ways, ``features`` weighs,
``embedder`` is the class. Docs: docs/embedders.md.
"""
