"""Files of answers graded and voted on: what `mathloom grade` and `mathloom vote` do."""
