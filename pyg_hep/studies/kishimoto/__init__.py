"""The study of Kishimoto et al. (ISGC 2025): unlabelled collisions, replaced objects, four tasks."""
