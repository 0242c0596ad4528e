"""The study of Ho et al., arXiv:2412.10665: pretraining on twelve processes, five tasks, CKA and cost."""
