"""The request store: every completion that was ever paid for, found again by what was asked."""
