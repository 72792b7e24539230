"""One run: a configuration becomes a results folder."""
