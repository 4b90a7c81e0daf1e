"""What a study is: its configuration and what decides which of it can be computed. Imports nothing heavy."""
