"""The settlement centre: bank statements come in, each line finds its facility or a person."""
