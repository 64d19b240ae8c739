"""Finding models on disk and reading what their headers say, never their weights.

Every file is taken for hostile until shown otherwise: only regular files are opened, only bounded headers are read, and
whatever is wrong becomes the ``problem`` of the listed model.
"""
