"""From files to training crops. Nothing is imported here: transforms and label files need no MXNet."""
