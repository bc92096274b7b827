"""What shows the engine: derivations, figures, memory, surfaces. The engine does not know them."""
