"""From what should be there to calls that make it so: lanes, deadlines, intents, outcomes."""
