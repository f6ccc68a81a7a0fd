"""The execution of render jobs and speech requests: download, check, media work in worker processes, storage."""
