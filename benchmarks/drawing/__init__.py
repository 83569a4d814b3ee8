"""Drawing with whole numbers alone: the same bits on every machine. What SynthCOCO and SynthFaces are made with."""
