"""The command ``smartpix``: one module per command, which parses flags and calls the library."""
