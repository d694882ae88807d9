"""What every measurement is made of: cases, judges, methods, clocks, fresh processes, result files."""
