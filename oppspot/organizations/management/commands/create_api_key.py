"""`manage.py create_api_key`: a key for a client program."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from oppspot.organizations.scopes import Scope
from oppspot.organizations.services import issue_api_key


class Command(BaseCommand):
    help = "Issue an API key. The key goes to standard output, once; everything else to standard error."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("org", help="slug of the organisation")
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--scope", action="append", choices=Scope.values, help="repeatable; default: read")
        parser.add_argument("--days", type=int, help="days until it expires; default and limit: API_KEY_MAX_DAYS")

    def handle(self, *args: Any, **options: Any) -> None:
        org = Organization.objects.filter(slug=options["org"]).first()
        if org is None:
            raise CommandError(f"There is no organisation {options['org']!r}; create_org makes one.")
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] is not None else None
        scopes = options["scope"] or [Scope.READ.value]
        try:
            key, secret = issue_api_key(org=org, name=options["name"], scopes=scopes, expires_at=expires_at)
        except InvalidInput as error:
            raise CommandError(str(error)) from error
        expiry = f"{key.expires_at:%Y-%m-%d}"
        self.stderr.write(f"Key {key.name!r} of {org.slug}, scopes {', '.join(key.scopes)}, until {expiry}:")
        self.stdout.write(secret)
