"""System checks of the embedding settings."""
