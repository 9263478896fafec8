"""Who is one and the same, and whose value wins: keys, clusters under guards, verdicts, survivorship. All pure."""

from dedup.decisions import Verdict
from dedup.resolving import Node, resolve
from dedup.rules import load_rules
from dedup.survivorship import MemberView, survive

__all__ = ["MemberView", "Node", "Verdict", "load_rules", "resolve", "survive"]
