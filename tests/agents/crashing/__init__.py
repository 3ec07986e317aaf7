"""An app for workers under test: it kills their process at the places of a plan, each once."""
