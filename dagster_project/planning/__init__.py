"""The plan: what a build would do and cost, said before it starts. No engine, no network and no tokenizer is needed."""
