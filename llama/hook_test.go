package llama_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

// hooked is a context with the sites of its model's decodes.
func hooked(t *testing.T) (*llama.Context, *graph.Graph, *graph.Sites) {
	t.Helper()
	c := smallContext(t)
	r, err := c.Record(context.Background(), prompt(5, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := graph.FindSites(r.Graph, 2)
	if err != nil {
		t.Fatal(err)
	}
	return c, r.Graph, s
}

func placeOf(t *testing.T, g *graph.Graph, id graph.ID) llama.Place {
	t.Helper()
	p, err := llama.PlaceOf(g, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlaceOf(t *testing.T) {
	_, g, s := hooked(t)
	ffn := placeOf(t, g, s.Layers[1].FFN)
	if ffn != (llama.Place{Op: graph.OpMulMat, Weight: "blk.1.ffn_down.weight"}) {
		t.Errorf("the FFN's output is at %+v", ffn)
	}
	if p := placeOf(t, g, s.Layers[1].Residual); p.Weight != ffn.Weight || p.Offset < 1 {
		t.Errorf("the stream is at %+v", p)
	}
	if p := placeOf(t, g, s.Embedding); p.Op != graph.OpGetRows || p.Weight != "token_embd.weight" {
		t.Errorf("the embedding is at %+v", p)
	}
	b := graph.Builder{Graph: &graph.Graph{}}
	y := b.Sqr(b.Input(graph.F32, graph.Shape2(4, 1), "x"))
	if _, err := llama.PlaceOf(b.Graph, y); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("a node without a weight before it: %v", err)
	}
}

func TestHooks(t *testing.T) {
	c, g, s := hooked(t)
	place := placeOf(t, g, s.Layers[0].FFN)
	base := decodeFresh(t, c, prompt(5, 0))
	run := func(hooks ...llama.Hook) []float32 {
		t.Helper()
		c.Clear()
		if err := c.DecodeHooked(context.Background(), prompt(5, 0), hooks); err != nil {
			t.Fatal(err)
		}
		logits := make([]float32, 256)
		if err := c.Logits(logits, 4); err != nil {
			t.Fatal(err)
		}
		return logits
	}
	capture := func() llama.Hook {
		return llama.Hook{Place: place, Action: llama.Capture, Width: 256, Rows: []int32{4, 1}, Data: make([]float32, 512)}
	}
	first, second := capture(), capture()
	if !equal(run(first), base) {
		t.Error("capturing changes the decode")
	}
	add := llama.Hook{Place: place, Action: llama.Add, Width: 256, Rows: []int32{4, 1}, Data: make([]float32, 256)}
	for i := range add.Data {
		add.Data[i] = 0.125
	}
	changed := run(add, second)
	if equal(changed, base) {
		t.Error("adding to rows changes nothing")
	}
	for i, v := range second.Data {
		if v != first.Data[i]+0.125 {
			t.Fatalf("element %d is %g behind %g", i, v, first.Data[i])
		}
	}
	set := llama.Hook{Place: place, Action: llama.Set, Width: 256, Rows: []int32{4, 1}, Data: second.Data}
	if !equal(run(set), changed) {
		t.Error("setting what adding gave is another decode")
	}
	set.Data = first.Data
	if !equal(run(add, set), base) {
		t.Error("hooks do not act in their order")
	}
	if !equal(decodeFresh(t, c, prompt(5, 0)), base) {
		t.Error("hooks outlive their decode")
	}
}

// Hooks that miss leave an error and a context that works as before.
func TestHookErrors(t *testing.T) {
	c, g, s := hooked(t)
	place := placeOf(t, g, s.Layers[0].FFN)
	base := decodeFresh(t, c, prompt(5, 0))
	good := func() llama.Hook {
		return llama.Hook{Place: place, Action: llama.Set, Width: 256, Rows: []int32{0}, Data: make([]float32, 256)}
	}
	for _, k := range []struct {
		name   string
		want   error
		text   string
		change func(h *llama.Hook)
	}{
		{"another width", llama.ErrInvalid, "shape", func(h *llama.Hook) { h.Width, h.Data = 128, make([]float32, 128) }},
		{"a row past the end", llama.ErrInvalid, "row 5 of 5", func(h *llama.Hook) { h.Rows = []int32{5} }},
		{"a negative row", llama.ErrInvalid, "row -1", func(h *llama.Hook) { h.Rows = []int32{-1} }},
		{"no rows", llama.ErrInvalid, "0 rows", func(h *llama.Hook) { h.Rows = nil }},
		{"no width", llama.ErrInvalid, "rows of 0", func(h *llama.Hook) { h.Width = 0 }},
		{"data for other rows", llama.ErrInvalid, "3 rows", func(h *llama.Hook) { h.Rows = []int32{0, 1, 2}; h.Data = make([]float32, 512) }},
		{"one row of room for two", llama.ErrInvalid, "2 rows", func(h *llama.Hook) { h.Action = llama.Capture; h.Rows = []int32{0, 1} }},
		{"no such weight", llama.ErrUnsupported, "0 times", func(h *llama.Hook) { h.Place.Weight = "blk.7.ffn_down.weight" }},
		{"too far after a weight", llama.ErrUnsupported, "0 times", func(h *llama.Hook) { h.Place.Offset = 500 }},
		{"before a weight", llama.ErrUnsupported, "0 times", func(h *llama.Hook) { h.Place.Offset = -1 }},
		{"another operator", llama.ErrUnsupported, "0 times", func(h *llama.Hook) { h.Place.Op = graph.OpGetRows }},
		{"no such operator", llama.ErrInvalid, "NO_OP", func(h *llama.Hook) { h.Place.Op = "NO_OP" }},
		{"a long name", llama.ErrInvalid, "too long", func(h *llama.Hook) { h.Place.Weight = strings.Repeat("x", 64) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			h := good()
			k.change(&h)
			c.Clear()
			err := c.DecodeHooked(context.Background(), prompt(5, 0), []llama.Hook{h})
			if !errors.Is(err, k.want) || !strings.Contains(err.Error(), k.text) {
				t.Errorf("got %v", err)
			}
			if !equal(decodeFresh(t, c, prompt(5, 0)), base) {
				t.Error("the next decode is another")
			}
		})
	}
	if err := c.DecodeHooked(context.Background(), prompt(5, 1), []llama.Hook{good()}); err != nil {
		t.Errorf("a good hook after bad ones: %v", err)
	}
}

func TestRecord(t *testing.T) {
	c, g, s := hooked(t)
	c.Clear()
	want := []graph.ID{s.Layers[0].FFN, s.Embedding}
	r, err := c.Record(context.Background(), prompt(5, 0), want)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Graph.Nodes) != len(g.Nodes) {
		t.Fatalf("equal decodes have %d and %d nodes", len(r.Graph.Nodes), len(g.Nodes))
	}
	for _, id := range want {
		if got := len(r.Bytes(id)); int64(got) != 4*r.Graph.Node(id).Elements() {
			t.Errorf("%d bytes of %v", got, r.Graph.Node(id))
		}
	}
	if r.Bytes(s.Layers[1].FFN) != nil {
		t.Error("a value that nobody wanted was kept")
	}
	tokens := r.Graph.Node(s.Embedding).Src[1]
	ids := r.Ints(tokens)
	for i, id := range ids {
		if int32(id) != prompt(5, 0).Tokens[i] {
			t.Errorf("token %d is %d", i, id)
		}
	}
	if len(ids) != 5 {
		t.Errorf("%d tokens", len(ids))
	}
	c.Clear()
	if _, err := c.Record(context.Background(), prompt(5, 0), []graph.ID{graph.ID(len(g.Nodes))}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("wanting a node past the end: %v", err)
	}
	c.Clear()
	if _, err := c.Record(context.Background(), prompt(5, 0), []graph.ID{-1}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("wanting no node: %v", err)
	}
}
