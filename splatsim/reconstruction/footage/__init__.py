"""From a video or photos to the pictures that are worth posing, and what is wrong with the rest."""
