"""How good restorations are, beside rivals': a protocol, metrics, records and tables."""
