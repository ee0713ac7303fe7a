"""The symbolic step: pairs of answers that keys leave open, compared by sympy in processes that are killed on time."""
