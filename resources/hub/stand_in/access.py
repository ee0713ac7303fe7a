"""Who may do what: tokens, and the namespaces they write to.

A token is described by ``NAME:ROLE`` or ``NAME:ROLE:ORG,ORG``. ROLE is ``read`` or ``write``; ``*`` stands for every
namespace. Everybody owns the namespace of their own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resources.errors import HubError
from resources.hub.stand_in.messages import Refusal
from resources.hub.stand_in.storage import Repository, State, absent


@dataclass(frozen=True, slots=True)
class Account:
    """What one token stands for."""

    name: str
    may_write: bool
    namespaces: frozenset[str]

    def owns(self, namespace: str) -> bool:
        """Whether the namespace is this person's or one of their organisations'."""
        return namespace == self.name or namespace in self.namespaces or "*" in self.namespaces


def read_accounts(tokens: Mapping[str, str]) -> dict[str, Account]:
    """Accounts by token. Raises HubError for a description that cannot be read; it does not show the token."""
    accounts = {}
    for token, text in tokens.items():
        name, _, rest = text.partition(":")
        role, _, namespaces = rest.partition(":")
        if role not in ("read", "write") or ":" in namespaces or not name or not token:
            raise HubError(
                f"a token is described by {text!r}", where="Hub stand-in", fix="Write NAME:read or NAME:write:ORG,ORG"
            )
        owned = frozenset(part for part in namespaces.split(",") if part)
        accounts[token] = Account(name, role == "write", owned)
    return accounts


def identify(accounts: Mapping[str, Account], authorization: str | None) -> Account | None:
    """Who asks; None for nobody. Raises Refusal 401 for a token that is not known."""
    if not authorization:
        return None
    kind, _, token = authorization.partition(" ")
    account = accounts.get(token.strip()) if kind.lower() == "bearer" else None
    if account is None:
        raise Refusal(401, "Invalid credentials in Authorization header")
    return account


def require_reader(account: Account | None, repository: Repository | None) -> tuple[Repository, State]:
    """The repository and its state, if the asker may see it: a private one looks like none at all."""
    state = repository.state() if repository else None
    if repository is None or state is None:
        raise hidden(account)
    if state.private and not (account and account.owns(repository.name.partition("/")[0])):
        raise hidden(account)
    return repository, state


def require_writer(account: Account | None, namespace: str) -> Account:
    """The account, if it may write to ``namespace``. Raises Refusal 401 or 403."""
    if account is None:
        raise Refusal(401, "Invalid username or password.")
    if not account.may_write:
        raise Refusal(403, "Your token has read access only: a token with write access is needed")
    if not account.owns(namespace):
        raise Refusal(403, "You don't have the rights to write to this namespace")
    return account


def hidden(account: Account | None) -> Refusal:
    """Not there, or not for this asker: the Hub says 401 to strangers and 404 to people."""
    if account is None:
        return Refusal(401, "Invalid username or password.", code="RepoNotFound")
    return absent()
