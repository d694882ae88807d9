"""Methods: each is one object that decides for an image and denoises its regions; callers know only its protocol."""
