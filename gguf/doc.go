// Package gguf reads, compares, hashes and rewrites GGUF model files.
//
// # Reading
//
// [Open] takes the path of a model, or of any shard of a split model, and
// parses its header; tensor data stays on disk until asked for. Versions 2 and
// 3 are read in both byte orders. Keys, key types, tensor order and alignment
// are kept exactly, so that a file can be written again bit for bit.
//
// Nothing in a file is trusted. Every count, length and offset is checked
// against the bytes that are left before memory is set aside for it, and bad
// input ends in one line that wraps [ErrFormat], [ErrTruncated] or [ErrSplit].
// The limits are ggml's, but for arrays of arrays, which the format has and
// ggml refuses: they are read to a depth of eight.
//
// # Shapes
//
// Dims are in ggml's order: Dims[0] is the length of a contiguous row.
// Sizes and offsets are in bytes.
//
// # Writing
//
// [Rewrite] checks a set of [Edits] against a file and returns an [Output],
// which knows its size before the first byte is written. A split model comes
// out as one file.
// Tensor data is streamed; memory holds the header, one copy buffer, and
// whatever the caller's own Data functions need. A rewrite without edits gives
// the input's bytes. With edits, untouched keys and tensors keep their bytes,
// offsets are recomputed, and padding is added up to the file's alignment,
// after the last tensor too.
//
// [Builder] makes small files, such as adapters, from nothing.
//
// # Byte order
//
// Keys and shapes of a big-endian file are decoded. Tensor data is handed out
// as it lies in the file, and File.ByteOrder says how to take it.
package gguf
