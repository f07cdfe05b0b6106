"""The one error a user can cause."""


class InputError(ValueError):
    """
    What the user gave cannot be used.

    The message is one sentence or two: what was expected, what came, and what to do. The command
    line prints it and exits with status 1; the node logs it and waits for the next cloud.
    """
