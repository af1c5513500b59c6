"""What a trained model is used for: asking in words, scoring files of answers."""
