"""From trees to numbers: exact rationals where they are, balls of known radius elsewhere; and the keys of both."""
