"""`manage.py create_org`: an organisation and its owner."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import User
from oppspot.organizations.services import create_organization


class Command(BaseCommand):
    help = "Create an organisation, and its owner unless a user with that e-mail address exists."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", default="", help="default: made from the name")
        parser.add_argument("--owner", metavar="EMAIL", help="who owns it; asked for a password when new")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                owner = self._owner(options["owner"]) if options["owner"] else None
                org = create_organization(name=options["name"], slug=options["slug"], owner=owner)
        except InvalidInput as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"created organisation {org.slug} ({org.pk})")

    def _owner(self, email: str) -> User:
        user = User.objects.filter(email__iexact=email).first()
        if user is not None:
            return user
        password = getpass.getpass(f"Password for {email}: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
        if not password:
            raise CommandError(f"{email} is new and needs a password: type it, or send it on standard input.")
        return User.objects.create_user(email, password)
