"""Released datasets after the fact: what differs between two of them, and why a row is in one or is not."""
