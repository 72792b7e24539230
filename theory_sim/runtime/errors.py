"""The errors that a user can cause. Each message is one clear line: what is wrong, where, and what would be right."""


class InputError(ValueError):
    """The input is wrong: a key, a value, a file, a device. The command line prints it and exits with 2."""


class DivergedError(ArithmeticError):
    """Training met a NaN or an infinity; the message names the step and the quantity."""
