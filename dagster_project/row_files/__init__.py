"""Files of rows that users bring or take away, JSON Lines and Parquet: read row by row, written whole or not at all."""
