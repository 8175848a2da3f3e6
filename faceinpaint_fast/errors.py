"""The two errors that a caller may want to catch."""


class InputError(ValueError):
    """Something handed over by the user does not fit: `name: expected ..., got ...`."""


class ModelError(RuntimeError):
    """A model folder is missing, damaged or not a model; or a training run went wrong."""
