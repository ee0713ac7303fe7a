"""Files that `mathloom init` writes into a new folder. Data, never imported."""
