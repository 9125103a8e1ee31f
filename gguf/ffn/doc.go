// Package ffn makes room for neurons in the feed-forward networks of a GGUF
// model, and writes neurons there.
//
// A neuron is a row of the gate (where there is one), a row of the
// up-projection, a column of the down-projection, and an entry of each bias.
// [Read] finds the networks of all layers and refuses what cannot be widened by
// name; a [Strategy] chooses slots in the last layer; [Room.Edits] makes the
// changes to the file, as streams: memory holds a few rows.
//
// Added neurons are zero until they are written. A zero neuron adds exactly
// nothing: its key is act(0) 0 or act(0), and its column of the down-projection
// is 0. A tensor that keeps its type keeps its old bytes. Rows are appended to
// the gate and the up-projection (in both halves, where one tensor holds both),
// and whole blocks to each row of the down-projection, whose bytes are zero:
// that is a block of zeros in every type of ggml, since scales come out as 0.
//
// llama.cpp gives most architectures one width for all layers, so all of them
// grow; some read one a layer. See docs/tpatcher.md.
package ffn
