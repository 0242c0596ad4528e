"""The study of Bumblebee: masked four-vectors, top reconstruction, toponium, the initial state, the embeddings."""
