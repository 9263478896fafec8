"""What a person asks for: replays, verdicts on identity, new mappings carried through."""
