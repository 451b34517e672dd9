"""The settlement centre's work: messages in, lines matched, exceptions resolved, prompts out."""
