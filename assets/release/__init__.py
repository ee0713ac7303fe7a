"""The released folder: shards, card, provenance."""
