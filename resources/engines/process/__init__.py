"""A child process that holds a model, and the frames that travel to it and back."""
