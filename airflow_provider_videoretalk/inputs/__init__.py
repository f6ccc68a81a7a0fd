"""The inputs of a render job: their locations, whether the service would accept them, and what the job will cost."""
