"""The pipelines, a folder each: `nodes.py` computes, `pipeline.py` wires."""
