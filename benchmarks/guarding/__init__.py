"""What each guard finds of what is planted or labelled: a module for each."""
