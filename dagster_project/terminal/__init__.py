"""What a person sees while models answer and when they have: lines, bars, the summary table."""
