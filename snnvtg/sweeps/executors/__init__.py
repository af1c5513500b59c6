"""Where the models of a sweep are trained: in processes here, as jobs of Slurm, by workers that share a folder."""
