"""The study of OmniLearn (arXiv:2404.16091, arXiv:2502.14652): one network that classifies and generates jets."""
