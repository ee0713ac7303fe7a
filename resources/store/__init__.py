"""The store of versions: immutable outputs of stages, found by fingerprint, named by content.

``layout`` says where things lie, ``writing`` writes tables, ``versions`` commits and finds them, ``environments`` says
which version each stage of a recipe has now, ``cleaning`` removes what nothing names. Knows nothing of kinds and
recipes.
"""

from resources.store.environments import Entry, Environment
from resources.store.versions import Built, Staging, Store, Version

__all__ = ["Built", "Entry", "Environment", "Staging", "Store", "Version"]
