"""Weights in files: the naming of the release, what published files hold, the .params format."""
