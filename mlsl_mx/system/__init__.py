"""What is independent of the method: files written whole, progress, workers, devices, errors."""
