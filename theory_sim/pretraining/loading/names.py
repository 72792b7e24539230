"""Names of files in messages and lists: any bytes, on one line of UTF-8."""

import unicodedata


def printable(name: str) -> str:
    """A file's name, or a text that holds one, with escapes for what is not UTF-8 or would end the line or the column."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    ends_line = ("Cc", "Zl", "Zp")  # control characters, and separators of lines and paragraphs
    return "".join(ascii(letter)[1:-1] if unicodedata.category(letter) in ends_line else letter for letter in text)


def reason_of(error: Exception) -> str:
    """Why a file cannot be read, on one line; an `OSError` without the file's name, which is printed beside it."""
    text = error.strerror if isinstance(error, OSError) and error.filename is not None and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
