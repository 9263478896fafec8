"""The delivery ledger: every planned write ends in exactly one state; the only writer of delivery, attempt, binding, target_state."""
