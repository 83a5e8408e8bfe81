"""What policy documents allow, for what the test server does not enforce: conditions, Glue, Athena and KMS.

The documents are those that the server has after deployment, with every reference resolved. The rules are IAM's
for identity policies together with a bucket policy, in so far as the template uses them; anything else is refused
rather than guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def allows(
    documents: Iterable[Mapping[str, Any]],
    action: str,
    resource: str,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Whether a request passes: some statement allows it and none denies it.

    Args:
        documents: All policies that apply.
        action: Such as ``s3:GetObject``.
        resource: ARN that the request is about.
        context: Condition keys of the request, with their values.
    """
    effects = {
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if _applies(statement, action, resource, context or {})
    }
    return effects == {"Allow"}


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    if unknown := statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}:
        raise NotImplementedError(f"a statement with {sorted(unknown)}")
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in _listed(statement["Action"]))
        and any(_like(pattern, resource) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, _listed(expected), context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _holds(operator: str, expected: list[str], value: str | None) -> bool:
    if value is None:
        return False
    match operator:
        case "StringEquals" | "Bool":
            return value in expected
        case "StringLike":
            return any(_like(pattern, value) for pattern in expected)
    raise NotImplementedError(f"the condition operator {operator}")


def _like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
