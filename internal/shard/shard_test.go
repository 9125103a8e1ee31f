package shard

import "testing"

func TestParse(t *testing.T) {
	for in, want := range map[string]Shard{"1/1": {}, "2/8": {2, 8}, "8/8": {8, 8}} {
		s, err := Parse(in)
		if err != nil || s != want || s.String() != in {
			t.Errorf("%s: %+v, %v", in, s, err)
		}
	}
	for _, in := range []string{"", "1", "0/2", "3/2", "-1/2", "1/0", "a/b", "1/2/3", "1/9999999999"} {
		if s, err := Parse(in); err == nil {
			t.Errorf("%q: %+v", in, s)
		}
	}
}

// Every entry is in one shard, and in the whole.
func TestHas(t *testing.T) {
	for number := 1; number <= 10; number++ {
		in := 0
		for i := 1; i <= 3; i++ {
			if (Shard{i, 3}).Has(number) {
				in++
			}
		}
		if in != 1 || !(Shard{}).Has(number) {
			t.Errorf("entry %d is in %d shards", number, in)
		}
	}
}
