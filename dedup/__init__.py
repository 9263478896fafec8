"""Who is one and the same, and whose value wins: keys, clusters under guards, verdicts, survivorship. All pure."""

from dedup.consent import Statement, settle
from dedup.decisions import Ruling, Verdict, merging, unmerging
from dedup.keys import Strength
from dedup.resolving import KeyHash, Node, Resolution, anchored_id, resolve
from dedup.rules import EntityRules, Rules, load_rules
from dedup.survivorship import Golden, MemberView, survive

__all__ = [
    "EntityRules",
    "Golden",
    "KeyHash",
    "MemberView",
    "Node",
    "Resolution",
    "Rules",
    "Ruling",
    "Strength",
    "Statement",
    "Verdict",
    "anchored_id",
    "load_rules",
    "merging",
    "resolve",
    "settle",
    "survive",
    "unmerging",
]
