package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// text is a flag that is a text, of a kind that its help names.
type text struct {
	value *string
	kind  string
}

func (t text) Type() string { return t.kind }

func (t text) String() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

func (t text) Set(s string) error {
	*t.value = s
	return nil
}

// The most that counts may be: beyond, memory or time run out.
const (
	mostPoints = 10_000     // between corrupted and clean embeddings
	mostCells  = 10_000_000 // more than a heat map has
	mostWindow = 10_000
	mostBatch  = 1000
)

// count is a flag's number with its bounds.
type count struct {
	flag           string
	n, least, most int
}

// counts reports the first that is out of its bounds.
func counts(all ...count) error {
	for _, c := range all {
		if c.n < c.least || c.n > c.most {
			return usagef("--%s %d: at least %d and at most %d", c.flag, c.n, c.least, c.most)
		}
	}
	return nil
}

// choice is a flag with one of a few values.
type choice struct {
	value   *string
	allowed []string
}

func (c choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c choice) Type() string { return strings.Join(c.allowed, "|") }

func (c choice) Set(s string) error {
	for _, a := range c.allowed {
		if s == a {
			*c.value = s
			return nil
		}
	}
	return fmt.Errorf("use %s", strings.Join(c.allowed, " or "))
}

// size is a number of bytes, with K, M, G or T for powers of 1024.
type size int64

func (s size) Type() string { return "SIZE" }

func (s size) String() string {
	for i, unit := range "TGMK" {
		if n := int64(1) << (40 - 10*i); int64(s) >= n && int64(s)%n == 0 {
			return strconv.FormatInt(int64(s)/n, 10) + string(unit)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func (s *size) Set(text string) error {
	number := strings.ToUpper(strings.TrimSpace(text))
	number = strings.TrimSuffix(strings.TrimSuffix(number, "B"), "I")
	unit := 1.
	if n := len(number); n > 0 {
		if at := strings.IndexByte("KMGT", number[n-1]); at >= 0 {
			unit = math.Pow(1024, float64(at+1))
			number = number[:n-1]
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v*unit >= 1) || v*unit >= 1<<62 {
		return fmt.Errorf("write a size such as 512M or 2G")
	}
	*s = size(v * unit)
	return nil
}

// layers is the layer to edit: a number, auto, or trace.
type layers struct {
	list  []int
	auto  bool
	trace bool
}

func (l *layers) Type() string { return "N|auto|trace" }

func (l *layers) String() string {
	switch {
	case l.auto:
		return "auto"
	case l.trace:
		return "trace"
	}
	var s []string
	for _, n := range l.list {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, ",")
}

func (l *layers) Set(text string) error {
	switch text {
	case "auto", "trace":
		*l = layers{auto: text == "auto", trace: text == "trace"}
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if strings.Contains(text, ",") {
		return fmt.Errorf("ROME edits one layer; give one number, auto or trace")
	}
	if err != nil || n < 0 {
		return fmt.Errorf("give the number of a layer, from 0, auto or trace")
	}
	*l = layers{list: []int{int(n)}}
	return nil
}

// gpuLayers is llama.cpp's -ngl: a number, auto or all.
type gpuLayers struct {
	set string
	n   int // negative: all
}

func (g *gpuLayers) Type() string   { return "N|auto|all" }
func (g *gpuLayers) String() string { return g.set }

func (g *gpuLayers) Set(text string) error {
	switch text {
	case "auto", "all":
		*g = gpuLayers{text, -1}
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fmt.Errorf("give a number of layers, auto or all")
	}
	*g = gpuLayers{text, max(-1, int(n))}
	return nil
}
