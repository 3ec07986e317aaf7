"""An app with events and functions that only tests have, so that a real worker can run them."""
