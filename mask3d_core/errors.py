"""The exceptions for input that cannot be used."""


class InputError(ValueError):
    """
    A file, cloud, option or parameter that cannot be used.

    The message is one or two sentences: what was expected, what was given, and what to do. The
    command line prints it and exits with status 1; the node logs it and waits for the next cloud.
    """


class NotEnoughMemoryError(InputError):
    """The memory of the device is too small for what was asked for."""


class SingleVoxelError(InputError):
    """A cloud whose points all fall into one voxel: as a tile of a map it has no instances."""
