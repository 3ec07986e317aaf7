#!/usr/bin/env python
"""Command-line entry point: `manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oppspot.settings")
    if sys.argv[1:2] not in (["serve"], ["worker"]):  # servers log what they do; commands say it on standard output
        os.environ.setdefault("LOG_LEVEL", "WARNING")
    if sys.argv[1:2] == ["worker"]:
        os.environ["DATABASE_POOL_SIZE"] = "0"  # its processes are forked, which a pool's threads do not survive
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
