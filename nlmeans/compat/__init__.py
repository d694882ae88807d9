"""Other libraries' functions by their own names and arguments, so that one import changes. None of them is needed."""
