"""The model servers of the mesh, one package each; they share `servers.kit` and never import each other."""
