"""What Dagster's daemon does by itself, as `schedule:` of a profile says: by the clock, by sources, by inputs."""
