"""An engine without a model: answers made by rules, for tests, benchmarks and looking around."""
