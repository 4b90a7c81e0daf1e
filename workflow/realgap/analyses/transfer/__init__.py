"""Which layers of a classifier trained on generated images hold it back."""
