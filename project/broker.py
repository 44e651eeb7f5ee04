"""django-q2's Redis broker, for a site whose saves wait for it."""

from __future__ import annotations

from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.retry import Retry

# A save connects, then waits for one answer, and tries once (redis-py's own default is to try again
# for many seconds): a Redis that is down or hangs holds it for these seconds at most.
CONNECT_SECONDS = 0.2
ANSWER_SECONDS = 0.5
# BLPOP answers within this time, which has to be less than ANSWER_SECONDS.
BLOCK_SECONDS = 0.25


class BoundedRedis(Redis):  # type: ignore[misc]  # django-q2 ships no types
    """A broker that gives up within a second."""

    def dequeue(self) -> list[tuple[None, bytes]] | None:
        """Return the next task, or None after a short wait."""
        popped = self.connection.blpop([self.list_key], BLOCK_SECONDS)
        return [(None, popped[1])] if popped else None

    @staticmethod
    def get_connection(list_key: str | None = None) -> Client:
        """Return a client of the server at ``Q_CLUSTER["redis"]``."""
        return Client.from_url(
            Conf.REDIS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
