package graph

// Prune copies what the outputs of a slice need and drops the rest. to gives the
// new id of each node of s, None for what was dropped.
func Prune(s *Slice, outs []ID) (out *Slice, to []ID) {
	need := newFlow(&s.Graph).needed(outs)
	for i := len(s.Nodes) - 1; i >= 0; i-- {
		if v := s.Nodes[i].ViewSrc; need[i] && v >= 0 {
			need[v] = true
		}
	}
	out = &Slice{To: make([]ID, len(s.To))}
	for i := range out.To {
		out.To[i] = None
	}
	to = make([]ID, len(s.Nodes))
	for i := range s.Nodes {
		if to[i] = None; !need[i] {
			continue
		}
		n := s.Nodes[i]
		for k, src := range n.Src {
			if src >= 0 {
				n.Src[k] = to[src]
			}
		}
		if n.ViewSrc >= 0 {
			n.ViewSrc = to[n.ViewSrc]
		}
		from := None
		if i < len(s.From) {
			from = s.From[i]
		}
		to[i] = Builder{&out.Graph}.push(n)
		out.From = append(out.From, from)
		if from >= 0 {
			out.To[from] = to[i]
		}
	}
	for _, v := range s.Values {
		if to[v] >= 0 {
			out.Values = append(out.Values, to[v])
		}
	}
	return out, to
}
