"""Bringing sources into the register: services that the commands and tasks call."""

from businesses.imports.lock import ImportRunning
from businesses.imports.register import import_register
from businesses.imports.report import ImportReport
from businesses.imports.tabular import import_tabular

__all__ = ["ImportReport", "ImportRunning", "import_register", "import_tabular"]
