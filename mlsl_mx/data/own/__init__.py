"""A user's own data: guessing its classes, writing its experiment file, worlds to try it on."""
