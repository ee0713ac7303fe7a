"""Running a stage: fingerprint, build in staging, laws and checks, promotion. The only place that calls an engine."""
