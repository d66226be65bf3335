"""What any program of this kind needs and no method: files written whole, progress, workers, devices, errors."""
