package mutate

import "encoding/binary"

// scanner walks a header as the format has it. It is no reader: what it cannot
// follow ends it, and what it has found by then is what can be damaged.
type scanner struct {
	b    []byte
	at   int
	l    layout
	lost bool
}

// mostElements bounds the elements of an array that are found one by one.
const mostElements = 64

func scan(b []byte) layout {
	s := scanner{b: b, l: layout{order: binary.LittleEndian}}
	if len(b) >= 8 && binary.LittleEndian.Uint16(b[4:]) == 0 {
		s.l.order = binary.BigEndian
	}
	s.field(4, number) // the magic
	s.field(4, number)
	tensors, keys := s.field(8, number), s.field(8, number)
	for i := uint64(0); i < keys && !s.lost; i++ {
		begin := s.at
		s.text()
		s.value(s.field(4, kind))
		s.entry(&s.l.keys, begin)
	}
	for i := uint64(0); i < tensors && !s.lost; i++ {
		begin := s.at
		s.text()
		dims := s.field(4, number)
		for d := uint64(0); d < min(dims, 8); d++ {
			s.field(8, number)
		}
		s.field(4, kind)
		s.field(8, number)
		s.entry(&s.l.tens, begin)
	}
	s.l.end = s.at
	return s.l
}

func (s *scanner) entry(list *[]field, begin int) {
	if !s.lost {
		*list = append(*list, field{at: begin, size: s.at - begin})
	}
}

// field notes the next bytes, and gives the number that they are.
func (s *scanner) field(size int, r role) uint64 {
	if s.lost || size > len(s.b)-s.at {
		s.lost = true
		return 0
	}
	s.l.fields = append(s.l.fields, field{s.at, size, r})
	s.at += size
	if size > 8 || size&(size-1) != 0 {
		return 0
	}
	return get(s.b[s.at-size:s.at], s.l.order)
}

func (s *scanner) text() {
	n := s.field(8, number)
	if n > uint64(len(s.b)-s.at) {
		s.lost = true
	}
	if s.lost {
		return
	}
	s.l.fields = append(s.l.fields, field{s.at, int(n), text})
	s.at += int(n)
}

// sizes are the bytes of scalars, by the number of their kind; 8 is text and 9
// an array.
var sizes = map[uint64]int{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

func (s *scanner) value(k uint64) {
	switch {
	case k == 8:
		s.text()
	case k == 9:
		of := s.field(4, kind)
		n := s.field(8, number)
		if size := sizes[of]; size > 0 && n > mostElements { // the rest is passed over
			rest := (n - mostElements) * uint64(size)
			if rest > uint64(len(s.b)-s.at) {
				s.lost = true
				return
			}
			s.at += int(rest)
			n = mostElements
		}
		for i := uint64(0); i < n && !s.lost; i++ {
			s.value(of)
		}
	case sizes[k] > 0:
		s.field(sizes[k], number)
	default:
		s.lost = true
	}
}
