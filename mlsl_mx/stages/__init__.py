"""The stages as Make calls them, one a file: each reads files, writes files, and knows nothing of the next one."""
