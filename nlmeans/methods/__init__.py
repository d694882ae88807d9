"""What turns noisy planes into clean ones: a method is one object, and all drivers know its protocol alone."""
