"""Files from archives: images, catalogues and dust maps, each checked before it gets its name."""
