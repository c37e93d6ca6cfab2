"""Results into the files that headsets, players, sites and Blender take."""
