"""The embedded miniature: street scenes rendered in the styles of two games and of a real camera."""
