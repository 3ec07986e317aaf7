"""The permission class of every view: the scope an action needs, from the view itself."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from oppspot.organizations.scopes import Scope


class HasScope(BasePermission):
    """Reading needs `read`, everything else `write`, unless the view's `scopes` names another for the action."""

    message = "Your role or API key does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = getattr(request, "actor", None)
        if actor is None:
            return False
        return required_scope(view, request.method or "GET") in actor.scopes


def required_scope(view: Any, method: str) -> str:
    """The scope that `method` on `view` needs; `view.scopes` maps actions (or HTTP methods) to exceptions."""
    declared: dict[str, str] = getattr(view, "scopes", {})
    action = getattr(view, "action", None) or method
    return declared.get(action, Scope.READ if method in SAFE_METHODS else Scope.WRITE)
