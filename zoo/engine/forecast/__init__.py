"""What a plan will take, said before anything is loaded: time, memory and disk."""
