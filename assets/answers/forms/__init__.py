"""What surrounds values: labels, units, lists, tuples, sets of reals, relations, matrices, words; each gives a key."""
