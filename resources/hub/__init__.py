"""The Hugging Face Hub: reading datasets, and repositories that releases are published to."""
