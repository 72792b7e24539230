"""The lucky engine: only neurons that can ever fire are drawn and trained."""
