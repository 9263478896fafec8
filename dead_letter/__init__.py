"""Dead letters: park, list, group, show, edit, discard, ask for a replay. The journey carries the replay out."""
