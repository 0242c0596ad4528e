"""The study of Abasov et al.: hidden variables of objects, the number of top quarks, new physics by entropy."""
