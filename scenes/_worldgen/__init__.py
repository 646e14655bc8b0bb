"""What the generators of the worlds share: shapes, surfaces, light, pictures, maps. Scripts import it."""
