"""SQL files as kinds: header, names, contracts, tests, unit tests, column schema and lineage."""
