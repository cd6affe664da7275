"""The one error for bad input, so that a command line can tell a wrong value from a bug."""


class InputError(ValueError):
    """A value from the user that cannot be used.

    The message is one line that names the value and the remedy, for example ``width -5 µm: give a width above 0``.
    A command line prints it without a traceback and exits with code 2. Line breaks in the message are replaced by
    spaces, so that a value that carries one (a file name, say) cannot spread it over two lines.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
