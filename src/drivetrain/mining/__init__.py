"""Read a repository and say which models it holds and how they meet; nothing of it is run."""
