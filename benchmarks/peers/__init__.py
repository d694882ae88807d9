"""Who is measured: this library, those one would use instead, and what each is called with."""
