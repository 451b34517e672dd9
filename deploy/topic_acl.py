"""Topic rights in Mosquitto's ACL file format, for a broker that cannot read it itself.

Understood: ``user``, ``topic read|write|readwrite FILTER`` below a user, ``pattern`` with ``%u``.
Not understood, and refused: a missing access word, rights for anonymous clients, ``deny``, ``%c``.

Source: mosquitto.conf(5), Mosquitto 2.0, option ``acl_file``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

_WILDCARDS = frozenset("+#/")


class Access(StrEnum):
    """What a rule allows."""

    READ = "read"
    WRITE = "write"
    READWRITE = "readwrite"


_ACCESS_WORDS = frozenset(access.value for access in Access)


class AclSyntaxError(ValueError):
    """A line of an ACL file that is not understood: nothing is guessed about rights."""

    def __init__(self, number: int, line: str) -> None:
        super().__init__(f"ACL line {number} is not understood: {line!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line: ``user`` is None for a pattern, which holds for every user."""

    user: str | None
    access: Access
    topic_filter: str

    def filter_for(self, user: str) -> str | None:
        """Return the topic filter as it holds for ``user``, or None if it does not."""
        if self.user is not None:
            return self.topic_filter if self.user == user else None
        # A name with wildcards would widen the pattern; Mosquitto refuses it too.
        return None if _WILDCARDS & set(user) else self.topic_filter.replace("%u", user)


@dataclass(frozen=True, slots=True)
class TopicAcl:
    """The rules of one file."""

    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an ACL file.

        Raises:
            AclSyntaxError: a line is not understood.
        """
        rules: list[Rule] = []
        user: str | None = None
        for number, line in enumerate(text.splitlines(), start=1):
            match line.split():
                case [] | ["#", *_]:
                    pass
                case [word, *_] if word.startswith("#"):
                    pass
                case ["user", name]:
                    user = name
                case ["topic", access, topic_filter] if (
                    user is not None and access in _ACCESS_WORDS
                ):
                    rules.append(Rule(user=user, access=Access(access), topic_filter=topic_filter))
                case ["pattern", access, topic_filter] if (
                    access in _ACCESS_WORDS and "%c" not in line
                ):
                    rules.append(Rule(user=None, access=Access(access), topic_filter=topic_filter))
                case _:
                    raise AclSyntaxError(number, line)
        return cls(tuple(rules))

    def allows(self, user: str, access: Access, topic: str) -> bool:
        """Tell whether ``user`` may do ``access`` on ``topic``, a filter when subscribing."""
        return any(
            covers(allowed, topic)
            for rule in self.rules
            if rule.access in (access, Access.READWRITE)
            and (allowed := rule.filter_for(user)) is not None
        )


def covers(allowed: str, topic: str) -> bool:
    """Tell whether every topic that ``topic`` (a name or a filter) matches is in ``allowed``.

    Source: MQTT 3.1.1, section 4.7.
    """
    allowed_levels, levels = allowed.split("/"), topic.split("/")
    if levels[0].startswith("$") and allowed_levels[0] in ("+", "#"):  # MQTT-4.7.2-1
        return False
    for index, allowed_level in enumerate(allowed_levels):
        if allowed_level == "#":
            return True
        if index >= len(levels) or levels[index] == "#":
            return False
        if allowed_level not in ("+", levels[index]):
            return False
    # "a/#" holds "a" too, so a filter that ends in it is wider than "a/+".
    return len(allowed_levels) == len(levels)
