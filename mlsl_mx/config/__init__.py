"""What an experiment file may say: settings with their limits, and tables of classes."""
