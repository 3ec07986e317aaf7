"""Who may do what, as data: used by the permission class, the admin and the tests."""

from django.db.models import TextChoices


class Role(TextChoices):
    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"


class Scope(TextChoices):
    READ = "read", "Read"
    WRITE = "write", "Write the organisation's own data and start work that costs"
    ADMIN = "admin", "Manage API keys and members"
    REGISTER = "register:write", "Edit the global company register (granted by operations only)"


ROLE_SCOPES: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN}),
    Role.ADMIN: frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN}),
    Role.MEMBER: frozenset({Scope.READ, Scope.WRITE}),
    Role.VIEWER: frozenset({Scope.READ}),
}
# Scopes that an organisation's admins may give to a key; the register is everyone's, so not theirs to open.
GRANTABLE_SCOPES = frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN})
