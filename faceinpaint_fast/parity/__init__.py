"""The engine beside `faceinpaint_fast.reference`: errors, and what they may be."""
