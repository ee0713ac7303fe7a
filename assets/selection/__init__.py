"""Which solutions stay: text rules in one fused pass, arithmetic, trims, fair order."""
