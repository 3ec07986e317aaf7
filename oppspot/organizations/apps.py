"""App configuration."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "oppspot.organizations"
    label = "organizations"
    verbose_name = "Organisations"
