package graph

import (
	"errors"
	"strings"
	"testing"
)

func TestFindSites(t *testing.T) {
	for name, b := range blocks {
		for adapters := range 3 {
			d := newToy(newFixture(t), b, 3, adapters)
			s, err := FindSites(d.Graph, 3)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if w := s.Widths(d.Graph); w != (Widths{Stream: toyWidth, Key: toyFF, Heads: toyHeads * toyHead, Logits: toyVocab}) {
				t.Errorf("%s with %d adapters: %+v", name, adapters, w)
			}
			if s.Embedding != d.want.Embedding || s.Logits != d.want.Logits {
				t.Errorf("%s: embedding %v, logits %v", name, d.Node(s.Embedding), d.Node(s.Logits))
			}
			for i, got := range s.Layers {
				if got != d.want.Layers[i] {
					t.Errorf("%s with %d adapters, layer %d: %+v, not %+v", name, adapters, i, got, d.want.Layers[i])
				}
			}
		}
	}
}

// A model without the products that sites are found by is refused by the name
// of what it lacks or has too much of.
func TestRefusedSites(t *testing.T) {
	rename := func(from, to string) func(d *toy) {
		return func(d *toy) {
			for i := range d.Nodes {
				if d.Nodes[i].Name == from {
					d.Nodes[i].Name = to
				}
			}
		}
	}
	for _, c := range []struct {
		name, want string
		layers     int
		change     func(d *toy)
	}{
		{"no ffn_down", "blk.1.ffn_down.weight", 2, rename("blk.1.ffn_down.weight", "blk.1.mlp.weight")},
		{"more layers than the decode has", "blk.2.ffn_down.weight", 3, func(*toy) {}},
		{"no embedding", "token_embd.weight", 2, rename("token_embd.weight", "wte")},
		{"ffn_down used twice", "blk.0.ffn_down.weight is used twice", 2, rename("blk.1.ffn_down.weight", "blk.0.ffn_down.weight")},
		{"attn_output used twice", "blk.1.attn_output.weight is used twice", 2, rename("blk.0.attn_output.weight", "blk.1.attn_output.weight")},
		{"embedding used twice", "token_embd.weight is used twice", 2, func(d *toy) {
			d.GetRows(d.Nodes[d.want.Embedding].Src[0], d.indices(I32, 1))
		}},
		{"mixture of experts", "blk.1.ffn_down_exps.weight belongs to a mixture", 2, func(d *toy) {
			d.op(OpMulMatID, shape(4, 2, 3), d.weight(F16, "blk.1.ffn_down_exps.weight", 5, 4, 8), d.leaf(5, 2, 3), d.indices(I32, 0, 1))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newToy(newFixture(t), preNorm, 2, 0)
			c.change(d)
			_, err := FindSites(d.Graph, c.layers)
			if !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A layer without attention has no such site; its stream is still found.
func TestLayerWithoutAttention(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 2, 0)
	for i := range d.Nodes {
		d.Nodes[i].Name = strings.Replace(d.Nodes[i].Name, "blk.0.attn_output", "blk.0.mixer", 1)
	}
	s, err := FindSites(d.Graph, 2)
	if err != nil {
		t.Fatal(err)
	}
	if l := s.Layers[0]; l.Attention != None || l.Residual != d.want.Layers[0].Residual {
		t.Errorf("got %+v", l)
	}
}

// A stream that later layers read around has no single place.
func TestNoSingleStream(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 2, 0)
	past := d.MulMat(d.weight(F32, "skip.weight", toyWidth, toyVocab), d.GetRows(d.want.Layers[0].FFN, d.indices(I32, 0, 2)))
	d.Add(d.want.Logits, past)
	s, err := FindSites(d.Graph, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Layers[0].Residual; r != None {
		t.Errorf("the stream after layer 0 is %v", d.Node(r))
	}
	if s.Layers[1].Residual != d.want.Layers[1].Residual {
		t.Errorf("the stream after layer 1 is %d, not %d", s.Layers[1].Residual, d.want.Layers[1].Residual)
	}
}

func TestLayerWeight(t *testing.T) {
	for name, want := range map[string]struct {
		layer int
		what  string
		ok    bool
	}{
		"blk.12.ffn_down.weight":  {12, "ffn_down.weight", true},
		"blk.0.attn_q.bias":       {0, "attn_q.bias", true},
		"blk.-1.ffn_down.weight":  {-1, "ffn_down.weight", false},
		"blk.x.ffn_down.weight":   {0, "ffn_down.weight", false},
		"blk.3":                   {0, "", false},
		"enc.blk.3.ffn_up.weight": {0, "", false},
		"token_embd.weight":       {0, "", false},
	} {
		layer, what, ok := layerWeight(name)
		if ok != want.ok || ok && (layer != want.layer || what != want.what) {
			t.Errorf("%s: %d, %q, %v", name, layer, what, ok)
		}
	}
}
