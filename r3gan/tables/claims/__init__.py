"""CLAIMS: what the papers say is true, what would show it, and the rule that decides."""
