"""The page that shows a loop on screens and headsets, and the server that hands it out."""
