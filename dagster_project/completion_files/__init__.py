"""Files of completions: reading those that a user already has, binding them to a stage's requests, writing exports."""
