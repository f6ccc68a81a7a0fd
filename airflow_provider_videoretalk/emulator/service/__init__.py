"""What the service knows, with the clock passed in: accounts, tasks, stored files and their signatures."""
