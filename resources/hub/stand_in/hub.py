"""What every route needs: storage, accounts, limits, the clock and the key that signs addresses of uploads."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from resources.hub.stand_in import access
from resources.hub.stand_in.messages import Refusal, Request
from resources.hub.stand_in.storage import Repository, State, Storage
from resources.hub.stand_in.strictness import Limits

HOUR = 3600


@dataclass(slots=True)
class Hub:
    """One server's world. ``clock`` gives seconds since 1970."""

    storage: Storage
    accounts: Mapping[str, access.Account]
    limits: Limits
    clock: Callable[[], float]
    secret: bytes
    endpoint: str = ""

    def account(self, request: Request) -> access.Account | None:
        """Who asks."""
        return access.identify(self.accounts, request.headers.get("Authorization"))

    def readable(self, request: Request, namespace: str, name: str) -> tuple[Repository, State]:
        """The repository and its state now, for an asker who may see it."""
        return access.require_reader(self.account(request), self.storage.find(namespace, name))

    def writable(self, request: Request, namespace: str, name: str) -> tuple[Repository, access.Account]:
        """The repository, for an asker who may write to it."""
        account = self.account(request)
        repository, _ = access.require_reader(account, self.storage.find(namespace, name))
        return repository, access.require_writer(account, namespace)

    def proposable(self, request: Request, namespace: str, name: str) -> tuple[Repository, access.Account]:
        """The repository, for an asker who may open a pull request: who may read it, with a token that writes."""
        account = self.account(request)
        repository, _ = access.require_reader(account, self.storage.find(namespace, name))
        return repository, access.require_writer(account, account.name if account else namespace)

    def count_commit(self, state: State) -> None:
        """Note one commit. Raises Refusal 429 past the hour's limit."""
        now = self.clock()
        recent = [time for time in state.recent_commits if now - HOUR < time <= now]
        if len(recent) >= self.limits.commits_per_hour:
            wait = int(recent[0] + HOUR - now) + 1
            raise Refusal(
                429,
                f"You have exceeded the rate limit of {self.limits.commits_per_hour} commits per hour of a repository",
                headers={"Retry-After": str(wait)},
            )
        state.recent_commits = [*recent, now]
        state.modified = now

    def url(self, name: str) -> str:
        """Address of a repository."""
        return f"{self.endpoint}/datasets/{name}"

    def signature(self, name: str, sha256: str, size: int) -> str:
        """What an address must carry by which one object can be uploaded without a token."""
        return hmac.new(self.secret, f"{name}\n{sha256}\n{size}".encode(), hashlib.sha256).hexdigest()


def iso(seconds: float) -> str:
    """A time as the Hub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
