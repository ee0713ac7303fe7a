"""Running a generation stage: what its rows ask for, what of that is missing, the answers, and rows made of them."""
