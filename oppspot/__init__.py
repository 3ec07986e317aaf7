"""The platform and its wiring: settings, URLs and the apps that every domain app stands on."""
