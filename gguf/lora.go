package gguf

// AddLoRA adds a LoRA adapter's pair for a weight of n_in columns and n_out rows:
// name.lora_a {n_in, rank} of the left vectors [n_in], name.lora_b {rank, n_out}
// of the right ones [n_out], in F32. The product B A is the sum of right leftᵀ
// over the vectors, of which there are as many on both sides, one at least and
// rank at most; the rest of the rank is zeros.
func (b *Builder) AddLoRA(name string, left, right [][]float32, rank int) {
	in, out := len(left[0]), len(right[0])
	down, up := make([]float32, rank*in), make([]float32, rank*out)
	for r := range left {
		copy(down[r*in:], left[r])
		for i, v := range right[r] {
			up[i*rank+r] = v
		}
	}
	add := func(suffix string, columns, rows int, values []float32) {
		b.Add(Tensor{Name: name + suffix, Type: F32, Dims: []int64{int64(columns), int64(rows)}, Data: Float32s(values)})
	}
	add(".lora_a", in, rank, down)
	add(".lora_b", rank, out, up)
}
