"""The inbound half: a page is read, compared, mapped, resolved, merged and landed with its checkpoint."""
