"""
The network as one ONNX graph of standard operators (docs/engines.md).

graph    builder of graphs, and parts of them
unet     U-Net: convolutions as Gather, Reshape and Gemm
decoder  votes, queries, decoder
export   weights as an ONNX file, and back
inputs   tables of a pyramid as inputs of the graph
"""
