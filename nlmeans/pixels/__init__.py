"""Which pixels of an image count, and the sample of them that it is judged by."""
