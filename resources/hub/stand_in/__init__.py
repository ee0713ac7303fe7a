"""A stand-in for the Hugging Face Hub: an HTTP server on loopback that the real clients publish to and read from."""
