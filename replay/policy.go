package replay

import (
	"fmt"
	"slices"
	"strings"

	"retcon/graph"
	"retcon/llama"
)

// Policy says which weights programs use copies of, in which type and for how
// long. What a program does with a weight follows from it and from the weight's
// type alone (Use). The zero Policy has no copies: weights are used as they are in
// the file, and a gradient's product transposes them on the way.
type Policy struct {
	// Products: quantised weights are copied for products, or dequantised by
	// programs of many rows.
	Products bool
	// Gradients: for the products of a gradient there are transposes of weights,
	// or copies that serve in their place.
	Gradients bool
	// Copy is the type of copies and transposes: F32, F16 or BF16.
	Copy graph.Type
	// Many is the type to which a program of many rows dequantises a weight that
	// has no copy. It rounds no more than Copy, or copies in F32 would be exact in
	// vain: what a slice begins with comes from such a program.
	Many graph.Type
	// Life is how long copies are kept.
	Life Life
	// Own are the types of weights that the bridge's own kernel takes, as exactly
	// as it would a copy in F32: these are never copied, nor transposed. Copies
	// learn it from their context.
	Own []graph.Type
}

// Life is how long copies of weights are kept, if they fit.
type Life int

const (
	ForProgram Life = iota // until the program that they were made for is closed
	ForLayer               // until the next layer
	ForSlice               // until another slice of the network is worked on
	ToTheEnd               // until they are dropped
)

func (l Life) String() string {
	return [...]string{"for a program", "for a layer", "for a slice", "to the end"}[l]
}

// Way is how a program comes by the matrix of a product.
type Way int

const (
	AsIs        Way = iota // the weight, as it is in the file
	Copied                 // a copy where one fits, else the weight
	Dequantised            // a copy in the right type where there is one, else values that each run writes anew
	InTranspose            // a transpose where one fits, else one that each run writes anew
	OnTheWay               // a transpose that each run writes anew
)

func (w Way) String() string {
	return [...]string{"as it is", "copied", "dequantised", "transposed", "transposed on the way"}[w]
}

// Use is how programs multiply with a weight.
type Use struct {
	Product  Way // with few rows
	Many     Way // with many
	Gradient Way // back: with the transpose
}

// Use is how programs multiply with a weight of a type.
func (p Policy) Use(t graph.Type) Use {
	quantised, own := t.Size() == 0, p.takes(t)
	u := Use{AsIs, AsIs, OnTheWay}
	if p.Products && quantised && !own {
		u.Product, u.Many = Copied, Dequantised
	}
	switch {
	case p.Products && own:
		u.Gradient = AsIs
	case !p.Gradients:
	case p.Products && quantised && p.takes(p.Copy):
		u.Gradient = Copied // the kernel adds up a copy's rows as fast as it multiplies with them
	default:
		u.Gradient = InTranspose
	}
	return u
}

// takes reports whether the bridge's own kernel takes matrices of a type.
func (p Policy) takes(t graph.Type) bool { return slices.Contains(p.Own, t) }

func (p Policy) String() string {
	if !p.Products && !p.Gradients {
		return "weights as they are"
	}
	var of []string
	if p.Products {
		of = append(of, "copies of quantised weights")
	}
	if p.Gradients {
		of = append(of, "transposes")
	}
	s := fmt.Sprintf("%s in %s, kept %s", strings.Join(of, " and "), llama.TypeName(int(p.Copy)), p.Life)
	if p.Products {
		s += "; many rows: dequantised to " + llama.TypeName(int(p.Many))
	}
	if len(p.Own) > 0 {
		var own []string
		for _, t := range p.Own {
			own = append(own, llama.TypeName(int(t)))
		}
		s += "; the bridge's kernel takes " + strings.Join(own, " ")
	}
	return s
}
