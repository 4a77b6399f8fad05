"""From a folder of pictures to an int8 detector in one command."""
