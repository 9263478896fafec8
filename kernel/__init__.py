"""The ground floor: ids, errors, time, documents, the store and the ledger. Knows no vendor and no HTTP."""
