"""Sources of rows: local files and Hub datasets, read row by row and pinned. Stations say what the fields mean."""
