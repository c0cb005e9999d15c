"""The connectors that ship with Syncline, one folder a system."""
