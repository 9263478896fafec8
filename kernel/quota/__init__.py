"""A vendor's limits, kept by all workers together."""

from kernel.quota.account import Told as Told
from kernel.quota.limits import Kind as Kind
from kernel.quota.limits import Limit as Limit
from kernel.quota.limits import Priority as Priority
from kernel.quota.limits import asking_as as asking_as
from kernel.quota.purse import Purse as Purse
