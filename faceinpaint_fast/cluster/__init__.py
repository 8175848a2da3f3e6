"""A folder restored by many processes on one machine or many, by Ray."""
