"""What a model sees of a batch: columns of objects, of events and of pairs, by name."""
