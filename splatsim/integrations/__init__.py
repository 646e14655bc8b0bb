"""What other programs meet: nerfstudio and pytorch3d. None of them is a dependency; each is imported when called."""
