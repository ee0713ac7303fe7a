"""The build system: turns declarations into a Dagster graph. What is built is declared in ``assets``."""
