"""The program that runs in the sandbox. It goes there alone, so it imports nothing else of ours."""
