"""Face detection: WIDER FACE and SynthFaces data, the official metric, AFW, PASCAL face and FDDB."""
