"""COCO and SynthCOCO: the data, their checks, and the metric."""
