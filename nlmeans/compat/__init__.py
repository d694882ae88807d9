"""Other libraries' functions by their own names and arguments: change one import. None of those libraries is needed."""
