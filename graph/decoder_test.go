package graph

import (
	"fmt"
	"math"
)

// block says how a toy decoder's layers are built.
type block int

const (
	preNorm       block = iota // as llama's
	postNorm                   // norms after the modules too, as gemma2's
	parallel                   // both modules read the same input: (ffn + x) + attn, as gptneox's
	parallelInner              // x + (ffn + attn), as falcon's
)

// toy is a decoder of a few layers as llama.cpp builds it: rotary positions,
// grouped heads, keys in rows and values transposed in a cache that holds
// earlier tokens, a gated FFN, and logits for some rows only.
type toy struct {
	*fixture
	block    block
	layers   int
	adapters int // beside ffn_down and attn_output

	// what FindSites should find
	want Sites

	sequences int
	tokens    []int64       // as many of each sequence, one sequence after the other
	slots     []int64       // the cells that the tokens get
	past      map[int64]int // cells of earlier tokens and their sequences
	outs      []int64
	pos, mask ID
}

const (
	toyWidth, toyFF, toyVocab       = 6, 5, 7
	toyHeads, toyKV, toyHead        = 4, 2, 2
	toyCells                  int64 = 8
)

func newToy(f *fixture, b block, layers, adapters int) *toy {
	d := &toy{fixture: f, block: b, layers: layers, adapters: adapters, sequences: 1}
	d.tokens, d.slots, d.outs = []int64{3, 0, 6}, []int64{2, 5, 4}, []int64{0, 2}
	d.past = map[int64]int{0: 0, 1: 0}
	return d.build()
}

// newToyOf has two sequences, of which the first has more earlier tokens.
func newToyOf(f *fixture, b block, layers int) *toy {
	d := &toy{fixture: f, block: b, layers: layers, sequences: 2}
	d.tokens, d.slots, d.outs = []int64{3, 0, 6, 1}, []int64{2, 5, 4, 7}, []int64{1, 2, 3}
	d.past = map[int64]int{0: 0, 1: 0, 3: 1}
	return d.build()
}

func (d *toy) build() *toy {
	d.pos = d.indices(I32, []int64{2, 3, 4, 5}[:len(d.tokens)]...)
	length := len(d.tokens) / d.sequences
	mask := make([]float64, toyCells*int64(len(d.tokens)))
	for i := range mask {
		cell, token := int64(i)%toyCells, i/int(toyCells)
		mask[i] = math.Inf(-1)
		if s, ok := d.past[cell]; ok && s == token/length {
			mask[i] = 0
		}
		for earlier := token / length * length; earlier <= token; earlier++ {
			if d.slots[earlier] == cell {
				mask[i] = 0
			}
		}
	}
	d.mask = d.leafOf(mask, toyCells, int64(len(d.tokens)))
	x := d.GetRows(d.weight(F32, "token_embd.weight", toyWidth, toyVocab), d.indices(I32, d.tokens...))
	d.want.Embedding = x
	for l := range d.layers {
		x = d.layer(l, x)
	}
	d.want.Logits = d.MulMat(d.weight(F32, "output.weight", toyWidth, toyVocab), d.norm(x))
	return d
}

func (d *toy) norm(x ID) ID {
	n := d.with(d.op(OpRMSNorm, d.Node(x).Ne, x), 1e-5)
	return d.Mul(n, d.weight(F32, "norm.weight", toyWidth))
}

func (d *toy) matrix(layer int, what string, in, out int64) ID {
	return d.weight(F32, fmt.Sprintf("blk.%d.%s.weight", layer, what), in, out)
}

// product is a product with a weight and the adapters beside it.
func (d *toy) product(layer int, what string, in, out int64, x ID) ID {
	y := d.MulMat(d.matrix(layer, what, in, out), x)
	for i := range d.adapters {
		name := fmt.Sprintf("blk.%d.%s.weight.lora_", layer, what)
		a := d.MulMat(d.weight(F32, name+"a", in, 2), x)
		b := d.MulMat(d.weight(F32, name+"b", 2, out), a)
		y = d.Add(y, d.Scale(b, float32(i)+0.5, 0))
	}
	return y
}

// pick keeps the rows with logits, in the last layer.
func (d *toy) pick(layer int, x ID) ID {
	if layer < d.layers-1 {
		return x
	}
	return d.GetRows(x, d.indices(I32, d.outs...))
}

func (d *toy) layer(l int, x ID) ID {
	s := LayerSites{}
	h := x
	if d.block != postNorm {
		h = d.norm(x)
	}
	s.Attention = d.attention(l, h)
	attn := d.pick(l, s.Attention)
	x = d.pick(l, x)
	switch d.block {
	case preNorm, postNorm:
		if d.block == postNorm {
			attn = d.norm(attn)
		}
		x = d.Add(attn, x)
		h = x
		if d.block == preNorm {
			h = d.norm(x)
		}
		s.Key, s.FFN = d.ffn(l, h)
		ffn := s.FFN
		if d.block == postNorm {
			ffn = d.norm(ffn)
		}
		s.Residual = d.Add(ffn, x)
	case parallel:
		s.Key, s.FFN = d.ffn(l, d.pick(l, h))
		s.Residual = d.Add(d.Add(s.FFN, x), attn)
	case parallelInner:
		s.Key, s.FFN = d.ffn(l, d.pick(l, h))
		s.Residual = d.Add(d.Add(s.FFN, attn), x)
	}
	d.want.Layers = append(d.want.Layers, s)
	return s.Residual
}

func (d *toy) ffn(l int, x ID) (key, out ID) {
	gate := d.MulMat(d.matrix(l, "ffn_gate", toyWidth, toyFF), x)
	up := d.MulMat(d.matrix(l, "ffn_up", toyWidth, toyFF), x)
	key = d.op(OpSwiglu, d.Node(up).Ne, gate, up)
	return key, d.product(l, "ffn_down", toyFF, toyWidth, key)
}

func (d *toy) rotate(x ID) ID {
	id := d.op(OpRope, d.Node(x).Ne, x, d.pos)
	n := d.Node(id)
	n.Params[1], n.Params[2] = toyHead, ropeNeox
	for i, v := range map[int]float32{5: 10000, 6: 1, 8: 1} {
		n.Params[i] = int32(math.Float32bits(v))
	}
	return id
}

func (d *toy) attention(l int, x ID) ID {
	t := int64(len(d.tokens))
	q := d.MulMat(d.matrix(l, "attn_q", toyWidth, toyHead*toyHeads), x)
	k := d.MulMat(d.matrix(l, "attn_k", toyWidth, toyHead*toyKV), x)
	v := d.MulMat(d.matrix(l, "attn_v", toyWidth, toyHead*toyKV), x)
	q = d.rotate(d.Reshape(q, shape(toyHead, toyHeads, t)))
	k = d.rotate(d.Reshape(k, shape(toyHead, toyKV, t)))

	keys := d.cache(toyHead*toyKV, toyCells)
	values := d.cache(toyHead*toyKV, toyCells) // the shape of rows, filled by channels
	d.SetRows(keys, d.Reshape(k, Shape2(toyHead*toyKV, t)), d.indices(I64, d.slots...))
	var at []int64 // the cell of each element of a transposed value
	for _, slot := range d.slots {
		for channel := range int64(toyHead * toyKV) {
			at = append(at, channel*toyCells+slot)
		}
	}
	elements := d.Node(values).Elements()
	d.SetRows(d.Reshape(values, Shape2(1, elements)), d.Reshape(v, Shape2(1, int64(len(at)))), d.indices(I64, at...))

	const row = 4 * toyCells
	allK := d.View(keys, shape(toyHead, toyKV, toyCells), [4]uint64{4, 4 * toyHead, 4 * toyHead * toyKV, 4 * toyHead * toyKV * uint64(toyCells)}, 0)
	allV := d.View(values, shape(toyCells, toyKV, toyHead), [4]uint64{4, uint64(row * toyHead), uint64(row), uint64(row * toyHead * toyKV)}, 0)
	heads := [4]int{0, 2, 1, 3}
	kq := d.MulMat(d.Permute(allK, heads), d.Permute(q, heads))
	kq = d.with(d.op(OpSoftMax, d.Node(kq).Ne, kq, d.mask), 0.7)
	kqv := d.MulMat(d.Permute(allV, heads), kq) // [head, tokens, heads]
	flat := d.op(OpCont, Shape2(toyHead*toyHeads, t), d.Permute(kqv, heads))
	return d.product(l, "attn_output", toyHead*toyHeads, toyWidth, flat)
}

// blocks lists the ways to build a layer.
var blocks = map[string]block{"pre-norm": preNorm, "post-norm": postNorm, "parallel": parallel, "parallel, inner sum": parallelInner}
