"""From the text of an answer to tokens and trees. Nothing is evaluated here, and nothing is run."""
