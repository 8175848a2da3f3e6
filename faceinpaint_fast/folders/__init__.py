"""A folder of pictures restored into another: what is to do, what has been done, and the work itself."""
